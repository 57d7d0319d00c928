"""One operation from preflight to outcome."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.operations import run as runs
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.run import OPERATIONS, run_operation
from solpay_pipeline_tests.operations.ground import Scene, open_transaction, scene


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done, in order, in place of the parts themselves."""
    done: list[str] = []

    def noted(name: str) -> Any:
        async def part(_context: object) -> None:
            done.append(name)

        return part

    for name in ("settle", "report_external_acceptances"):
        monkeypatch.setattr(runs, name, noted(name))
    monkeypatch.setattr(runs, "OPERATIONS", {name: noted(name) for name in OPERATIONS})
    return done


def outcome_of(made: Scene, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Outcome:
    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Any]:
        yield made.context

    monkeypatch.setattr(runs, "open_context", opened)
    return asyncio.run(run_operation(made.deployment, "sweep", Options(**options), "run"))


def test_what_is_in_flight_is_settled_and_what_others_accepted_reported_before_anything_new(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome_of(scene(), monkeypatch)
    assert order == ["settle", "report_external_acceptances", "sweep"]


def test_a_dry_run_neither_settles_nor_reports_but_says_what_is_in_flight(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene()
    made.records.open = [
        open_transaction(state=state) for state in (TransactionState.RECORDED, TransactionState.CONFIRMED)
    ]
    outcome = outcome_of(made, monkeypatch, dry_run=True)
    assert order == ["sweep"]
    assert (outcome.dry_run, outcome.in_flight) == (True, 1)


def test_the_outcome_is_put_together_from_the_books_the_tally_and_the_client(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene()
    made.tally.waiting = 3
    made.rpc.calls["getMultipleAccounts"] = 2
    outcome = outcome_of(made, monkeypatch)
    assert (outcome.operation, outcome.run_id, outcome.waiting) == ("sweep", "run", 3)
    assert outcome.rpc_calls == {"getMultipleAccounts": 2}


def test_money_that_was_kept_back_is_one_line_of_an_outcome_that_is_not_clean(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene(obstacle="the receiver is not allowed")
    assert outcome_of(made, monkeypatch).is_clean, "there was none to be sent"
    made.tally.kept_back = 2
    outcome = outcome_of(made, monkeypatch)
    assert outcome.blocked == "the money of 2 wallets is not sent: the receiver is not allowed"
    assert not outcome.is_clean


def test_the_garbage_collector_is_as_it_was_afterwards(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gc.get_threshold()
    outcome_of(scene(), monkeypatch)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
