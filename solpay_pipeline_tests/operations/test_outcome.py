"""What an operation did, in numbers that a run page, a terminal and a machine all show alike."""

import json

import pytest

from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.summary import Summary
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.operations.context.outcome import Outcome, Tally, outcome_of
from solpay_pipeline_tests.operations.ground import USDC


def outcome(*findings: Finding, tally: Tally | None = None, is_dry: bool = False) -> Outcome:
    summary = Summary(
        events={EventKind.PAYMENT_ACCEPTED: 2, EventKind.WALLET_SWEPT: 1},
        transactions={
            TransactionState.CONFIRMED: 2,
            TransactionState.FINALIZED: 1,
            TransactionState.FAILED: 1,
            TransactionState.DEAD: 5,
        },
        signatures=("a", "b", "c", "d"),
        moved={None: 2**60, str(USDC.address): 7},
        rent=10,
        withheld={str(USDC.address): 1},
        fees=20_000,
        findings=findings,
    )
    return outcome_of("sweep", "run", tally or Tally(), summary, {"getSlot": 1}, dry_run=is_dry)


def test_a_transaction_counts_once_it_has_cost_something() -> None:
    made = outcome()
    assert (made.transactions, made.failed_transactions) == (4, 1)


def test_amounts_are_named_and_written_as_text_so_that_no_digit_is_lost() -> None:
    shown = json.loads(json.dumps(outcome().as_json()))
    assert shown["amounts"] == {"SOL": str(2**60), str(USDC.address): "7"}
    assert (shown["rent_lamports"], shown["fee_lamports"]) == ("10", "20000")


def test_events_are_what_was_accepted_expired_held_swept_and_closed() -> None:
    made = outcome()
    assert (made.accepted, made.expired, made.held, made.swept, made.closed) == (2, 0, 0, 1, 0)


def test_what_was_set_aside_makes_an_outcome_unclean_and_what_is_held_or_reported_does_not() -> None:
    held = Finding(FindingCode.SHORT, 1, 101, "too little", None, 5)
    notice = Finding(FindingCode.OVERPAID, 2, 102, "too much", None, 5)
    aside = Finding(FindingCode.KEY_UNREADABLE, 3, 103, "no key opens it")
    assert outcome(held, notice).is_clean
    made = outcome(held, notice, aside)
    assert not made.is_clean
    shown = made.as_json()
    assert [len(shown[name]) for name in ("set_aside", "held", "notices")] == [1, 1, 1]  # type: ignore[arg-type]
    assert made.counts()["set_aside_count"] == 1


@pytest.mark.parametrize(
    ("tally", "number"),
    [
        (Tally(undecided=3), "3"),
        (Tally(stopped_reason="max_runtime", left=5), "5"),
        (Tally(unpaid=2, means="the fee payer has 7 lamports"), "2"),
        (Tally(resting=4), "4"),
        (Tally(locked={101}), "payment 101"),
    ],
)
def test_what_was_left_undone_makes_an_outcome_unclean_and_is_told_with_its_number(
    tally: Tally, number: str
) -> None:
    made = outcome(tally=tally)
    [words] = made.left_undone
    assert "left undone" in words
    assert number in words
    assert not made.is_clean
    assert made.as_json()["left_undone"] == [words]


def test_a_plan_of_a_dry_run_leaves_nothing_undone() -> None:
    assert outcome(tally=Tally(undecided=3), is_dry=True).is_clean


def test_another_try_counts_anew_but_for_what_was_settled() -> None:
    tally = Tally(looked_at=9, left=2, settled=1, finished={"a"})
    tally.begin_again()
    assert tally == Tally(settled=1, finished={"a"})


def test_the_tally_is_in_the_counts() -> None:
    tally = Tally(
        looked_at=1,
        waiting=2,
        returned=3,
        in_flight=4,
        settled=5,
        reopened=6,
        skipped=7,
        stopped_reason="max_runtime",
    )
    made = outcome(tally=tally, is_dry=True)
    names = ("looked_at", "waiting", "returned", "in_flight", "settled", "reopened", "skipped")
    assert [made.counts()[name] for name in names] == [1, 2, 3, 4, 5, 6, 7]
    assert (made.dry_run, made.stopped_reason) == (True, "max_runtime")
