"""What earlier runs left in flight comes first."""

import asyncio
from dataclasses import replace

import pytest

from solpay_pipeline.chain.rpc.answers import SignatureStatus
from solpay_pipeline.chain.sending.broadcast import Fate
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.moving.settle import count_in_flight, settle
from solpay_pipeline_tests.operations.ground import (
    SLOT,
    open_transaction,
    scene,
)


def test_what_has_landed_is_applied_and_what_is_only_confirmed_stays_open() -> None:
    made = scene()
    made.records.open = [open_transaction("confirmed"), open_transaction("final")]
    made.rpc.landed = {
        "confirmed": SignatureStatus(SLOT, Commitment.CONFIRMED),
        "final": SignatureStatus(SLOT, Commitment.FINALIZED),
    }
    asyncio.run(settle(made.context))
    assert [(one.signature, one.fate) for one in made.journal.closed[:2]] == [
        ("confirmed", Fate.CONFIRMED),
        ("final", Fate.FINALIZED),
    ]
    assert made.tally.settled == 2


def test_a_confirmed_transaction_that_the_chain_no_longer_shows_keeps_its_wallets() -> None:
    made = scene(options=Options(patience_seconds=1))
    made.rpc.lands = False
    made.records.open = [open_transaction("gone", state=TransactionState.CONFIRMED)]
    asyncio.run(settle(made.context))
    assert made.journal.held == ["gone"]


def test_bytes_that_nobody_would_sign_today_are_looked_for_and_not_sent_again() -> None:
    made = scene(options=Options(patience_seconds=5))
    made.rpc.lands = False
    made.records.open = [open_transaction("old", wire=b"no transaction")]
    asyncio.run(settle(made.context))
    assert not made.rpc.sent
    assert made.rpc.calls["statuses"] > 1


def test_what_can_no_longer_land_and_nobody_can_testify_about_is_looked_at_once_and_counted() -> None:
    made = scene(options=Options(patience_seconds=30))
    made.rpc.lands, made.rpc.first_block = False, SLOT + 1
    made.records.open = [open_transaction("over", last_valid_block_height=SLOT - 10)]
    asyncio.run(settle(made.context))
    assert made.clock.slept == []
    assert (made.tally.undecided, made.tally.settled) == (1, 0)


def test_what_may_still_land_is_waited_for_and_then_counted_as_undecided() -> None:
    made = scene(options=Options(patience_seconds=3))
    made.rpc.lands = False
    made.records.open = [open_transaction("alive")]
    asyncio.run(settle(made.context))
    assert sum(made.clock.slept) == pytest.approx(3)
    assert made.tally.undecided == 1


def test_what_waits_to_be_final_is_neither_undecided_nor_this_operations_doing() -> None:
    made = scene()
    made.records.open = [open_transaction("confirmed", state=TransactionState.CONFIRMED)]
    made.rpc.landed = {"confirmed": SignatureStatus(SLOT, Commitment.CONFIRMED)}
    asyncio.run(settle(made.context))
    assert (made.tally.undecided, made.tally.settled, made.tally.finished) == (0, 0, set())


def test_what_was_recorded_by_an_earlier_run_and_is_over_belongs_to_the_sums_of_this_one() -> None:
    made = scene()
    made.records.open = [open_transaction("landed")]
    made.rpc.landed = {"landed": SignatureStatus(SLOT, Commitment.CONFIRMED)}
    asyncio.run(settle(made.context))
    assert (made.tally.settled, made.tally.finished) == (1, {"landed"})


def test_what_one_node_shows_as_less_settled_than_it_is_is_believed_of_another() -> None:
    made = scene()
    made.records.open = [open_transaction("pinned"), open_transaction("really")]
    processed = SignatureStatus(SLOT, Commitment.PROCESSED)
    made.rpc.landed = {"pinned": processed, "really": processed}
    other = replace(
        made.rpc, landed={"pinned": SignatureStatus(SLOT, Commitment.FINALIZED), "really": processed}
    )
    made.rpc.others = [other]
    asyncio.run(settle(made.context))
    assert [(one.signature, one.fate) for one in made.journal.closed] == [("pinned", Fate.FINALIZED)]
    assert (made.tally.settled, made.tally.undecided) == (1, 1)


def test_an_empty_ledger_asks_nothing() -> None:
    made = scene()
    asyncio.run(settle(made.context))
    assert not made.rpc.calls


def test_a_dry_run_counts_what_is_in_flight() -> None:
    made = scene()
    made.records.open = [open_transaction("a"), open_transaction("b", state=TransactionState.CONFIRMED)]
    count_in_flight(made.context)
    assert made.tally.in_flight == 1
    assert not made.rpc.calls
