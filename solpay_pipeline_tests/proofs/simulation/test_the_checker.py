"""The simulation can fail: known defects, put back into our code, break the promise that they break."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from solpay_pipeline.chain.sending import broadcast
from solpay_pipeline.ledger import outbox
from solpay_pipeline.lifecycle.holdings import Holdings
from solpay_pipeline.operations import expire
from solpay_pipeline.operations.changes import unmoved, written_books, written_journal
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.history import Told, live_through
from solpay_pipeline_tests.proofs.simulation.steps import (
    Die,
    Fork,
    Meanwhile,
    Open,
    Pay,
    Run,
    Skew,
    Step,
    Verify,
    Wait,
    Weather,
)

SEED = 0
"""Its shop takes SOL first."""

SOL_FOR_A_MINUTE = Open(1, 60)
SOL_FOR_AN_HOUR = Open(1, 3_600)
PAID = Pay(0, 1, "all", "plain")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    opened = Database()
    yield opened
    opened.close()


def _live(database: Database, *steps: Step) -> Told:
    return live_through(list(enumerate(steps)), SEED, database)


def _broken(told: Told) -> str:
    assert told.broken is not None, "\n".join(told.sentences)
    return told.broken.check


@pytest.mark.slow
def test_a_history_in_which_much_goes_wrong_keeps_every_promise(database: Database) -> None:
    told = _live(
        database,
        SOL_FOR_A_MINUTE,
        PAID,
        Wait(70),
        Weather("lossy"),
        Die(1, "committed"),
        Run("expire"),
        Fork(keep_confirmed=False, keep_blockhashes=False, resend=True),
        Run("sweep"),
    )
    assert told.broken is None, told.broken
    assert told.tally["deaths"] == told.tally["forks"] == 1
    assert told.tally["events payment.accepted"] == 1


def test_expiry_without_a_look_at_the_chain_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire, "_is_plain", lambda _snapshot: True)
    told = _live(database, SOL_FOR_A_MINUTE, PAID, Wait(70), Run("expire", "no history"))
    assert _broken(told) == "paid in time is never expired"


def test_closing_a_wallet_that_holds_money_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Holdings, "is_empty", property(lambda _self: True))
    told = _live(database, SOL_FOR_A_MINUTE, Wait(70), PAID, Wait(15), Run("expire"))
    assert _broken(told) == "a wallet at rest holds nothing"


@pytest.mark.slow
def test_a_transaction_that_is_called_dead_too_soon_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bury_what_is_not_seen(self: Any) -> None:
        for each in [one for one in self.open.values() if one.status is None]:
            self._settle(each, broadcast.Fate.DEAD)

    monkeypatch.setattr(broadcast._Broadcast, "_judge_expired", bury_what_is_not_seen)
    # Three in ten land at once: a sweep for each of eight customers.
    customers = [
        (SOL_FOR_AN_HOUR, Pay(number, 1, "all", "plain"), Wait(15), Run("recheck")) for number in range(8)
    ]
    told = _live(database, Weather("late"), *chain.from_iterable(customers))
    assert _broken(told) == "what may land is never called dead"


def test_a_transaction_that_leaves_before_it_is_recorded_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recording(Recorded.RECORDED)
    monkeypatch.setattr(written_journal.WrittenJournal, "record", lambda *_: recorded)
    told = _live(database, SOL_FOR_AN_HOUR, PAID, Wait(15), Run("recheck"))
    assert _broken(told) == "nothing leaves unrecorded"


@pytest.mark.slow
def test_an_event_that_is_not_written_with_its_change_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "append", lambda *_: None)
    told = _live(database, SOL_FOR_AN_HOUR, PAID, Wait(15), Run("recheck"))
    assert _broken(told) == "acceptance is told once"


@pytest.mark.slow
def test_a_fork_that_nobody_minds_is_found(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def watch_nothing(_context: object) -> None:
        pass

    monkeypatch.setattr(written_journal.WrittenJournal, "_reopen", lambda *_: None)
    monkeypatch.setattr(expire, "look_for_late_money", watch_nothing)
    told = _live(
        database,
        SOL_FOR_AN_HOUR,
        PAID,
        Wait(15),
        Run("recheck"),
        Fork(keep_confirmed=False, keep_blockhashes=False, resend=True),
    )
    assert _broken(told) == "what does not go home is named"


@pytest.mark.slow
def test_a_write_of_the_web_application_that_is_overwritten_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expire_whatever_it_was(connection: Any, tables: Any, ids: set[int], **values: Any) -> set[int]:
        table = tables.payment
        status = values["to_status"].value
        connection.execute(table.update().where(table.c.id.in_(ids)).values(status=status))
        return ids

    monkeypatch.setattr(unmoved, "unmoved", lambda _, __, wallets: {wallet.id for wallet in wallets})
    monkeypatch.setattr(written_books, "change_payments", expire_whatever_it_was)
    monkeypatch.setattr(written_books, "set_wallets", lambda *_, **__: None)
    # The web application's clock is behind, and takes for paid in time what came late.
    told = _live(
        database,
        SOL_FOR_A_MINUTE,
        Wait(70),
        PAID,
        Wait(15),
        Skew(-600),
        Meanwhile(30, Verify(0, 0, "row")),
        Run("expire"),
    )
    assert _broken(told) == "what is accepted stays accepted"
