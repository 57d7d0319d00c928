"""Histories that once broke a promise, as the simulation told them when they were as short as could be."""

from collections.abc import Iterator

import pytest

from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.history import live_through
from solpay_pipeline_tests.proofs.simulation.steps import (
    Fork,
    Meanwhile,
    Open,
    Pay,
    Run,
    Step,
    Verify,
    Wait,
    Weather,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    opened = Database()
    yield opened
    opened.close()


@pytest.mark.parametrize("fall_of_the_dice", [1004, 1006])
def test_a_fallback_with_a_short_history_does_not_make_a_payment_look_unpaid(
    database: Database, fall_of_the_dice: int
) -> None:
    """Paid in time and sent home in a request that was rolled back: only the history knows, and only the first node's."""
    steps: list[Step] = [
        Open(1, 600),
        Pay(0, 0, "all", "plain"),
        Wait(3),
        Verify(0, 0, "rolled back"),
        Wait(700),
        Weather("forgetful fallback"),
    ]
    told = live_through([*enumerate(steps), (fall_of_the_dice, Run("expire"))], 6, database)
    assert told.broken is None, "\n".join([*told.sentences, str(told.broken)])


@pytest.mark.parametrize("fall_of_the_dice", [1014, 1015])
def test_a_fallback_that_lags_does_not_make_a_payment_look_unpaid(
    database: Database, fall_of_the_dice: int
) -> None:
    """As above, and all of it in the seconds that the second node is behind."""
    steps: list[Step] = [
        Open(1, 60),
        Wait(45),
        Pay(0, 0, "all", "plain"),
        Wait(3),
        Verify(0, 0, "rolled back"),
        Wait(16),
        Weather("lagging fallback"),
    ]
    told = live_through([*enumerate(steps), (fall_of_the_dice, Run("expire"))], 0, database)
    assert told.broken is None, "\n".join([*told.sentences, str(told.broken)])


def test_nothing_is_signed_anew_for_a_wallet_whose_confirmed_transaction_a_fork_has_taken_back(
    database: Database,
) -> None:
    """The node loses it twice when it is sent again; its blockhash lives on, and so it may land at any time."""
    steps: list[Step] = [
        Open(1, 3_600),
        Pay(0, 0, "all", "plain"),
        Wait(30),
        Run("recheck"),
        Fork(keep_confirmed=False, keep_blockhashes=True, resend=True),
        Wait(1),
    ]
    after: list[tuple[int, Step]] = [
        (1_106, Weather("swallowing")),
        (1_107, Run("expire", "impatient")),
        (1_108, Run("sweep", "impatient")),
    ]
    told = live_through([*enumerate(steps), *after], 0, database)
    assert told.tally["fault swallow"] == 2
    assert told.broken is None, "\n".join([*told.sentences, str(told.broken)])


@pytest.mark.parametrize("effect", [60, 100])
def test_wrapped_sol_that_comes_while_its_account_is_closed_does_not_go_to_the_fee_payer(
    database: Database, effect: int
) -> None:
    """Closing an account of wrapped SOL pays out all that is in it, also what nobody had read."""
    steps: list[Step] = [
        Open(4, 600),
        Pay(0, 1, "all", "plain"),
        Wait(30),
        Meanwhile(effect, Pay(0, 1, "all", "plain")),
        Run("recheck"),
    ]
    told = live_through(list(enumerate(steps)), 2, database)
    assert "wrapped SOL" in told.sentences[0]
    assert told.broken is None, "\n".join([*told.sentences, str(told.broken)])
