"""From a draft to the chain and back into the ledger."""

from dataclasses import replace
from datetime import timedelta

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.errors import NodeBehind
from solpay_pipeline.chain.sending.broadcast import Fate
from solpay_pipeline.chain.sending.instructions import ForbiddenInstruction
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.transactions import FailuresInARow
from solpay_pipeline.lifecycle.actions import CloseAccount
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline_tests.operations.ground import (
    IN_FLIGHT,
    NOW,
    RENT,
    SIGNATURE_FEE,
    USDC,
    accepted,
    job,
    moved,
    outcomes,
    scene,
)

BUSY, DUPLICATE = Recording(Recorded.BUSY), Recording(Recorded.DUPLICATE)
OVER_LIMIT = Recording(Recorded.OVER_LIMIT, LimitReached("max_spent_per_day", "it would be too much"))


def test_nothing_leaves_before_it_is_recorded_as_it_leaves() -> None:
    made = scene()
    moved(made, job(made, accepted()))
    assert made.rpc.sent == [made.journal.recorded[0].wire]
    assert made.journal.attempts == [([1], IN_FLIGHT)]


def test_what_was_changed_meanwhile_is_planned_again_and_nothing_of_it_is_sent() -> None:
    made = scene()
    made.journal.results = [BUSY]
    assert outcomes(moved(made, job(made, accepted()))) == [(1, LegOutcome.AGAIN)]
    assert not made.rpc.sent


def test_one_that_cannot_be_recorded_keeps_no_other_of_its_group_from_going() -> None:
    made = scene()
    made.journal.results = [BUSY, BUSY]
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2)), alone={1, 2})
    assert sorted(one.outcome for one in results) == [LegOutcome.AGAIN, LegOutcome.LANDED]
    assert len(made.journal.attempts) == 3, "together, then one by one"


def test_the_same_transaction_again_is_made_with_another_blockhash() -> None:
    made = scene()
    made.journal.results = [DUPLICATE]
    assert outcomes(moved(made, job(made, accepted()))) == [(1, LegOutcome.LANDED)]
    assert len(made.journal.attempts) == 2
    assert 0.4 in made.clock.slept


def test_a_node_that_is_stuck_at_a_blockhash_ends_the_run() -> None:
    made = scene()
    made.rpc.stuck = True
    made.journal.results = [DUPLICATE]
    with pytest.raises(NodeBehind, match="stuck"):
        moved(made, job(made, accepted()))


def test_what_may_not_be_spent_waits_and_is_not_signed() -> None:
    made = scene()
    made.journal.room = 1
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2)), alone={1, 2})
    assert sorted(one.outcome for one in results) == [LegOutcome.LANDED, LegOutcome.WAITS]
    assert made.tally.stopped_reason == "max_spent_per_run"
    assert len(made.journal.attempts) == 1


def test_a_limit_that_others_reached_meanwhile_is_seen_as_it_is_recorded() -> None:
    made = scene()
    made.journal.results = [OVER_LIMIT]
    [result] = moved(made, job(made, accepted()))
    assert result.outcome is LegOutcome.WAITS
    assert result.finding is not None
    assert result.finding.code is FindingCode.SPENDING_LIMIT
    assert made.tally.stopped_reason == "max_spent_per_day"


def test_what_the_fee_payer_cannot_pay_waits_with_the_sum_that_is_missing_and_is_not_signed() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + 2 * SIGNATURE_FEE - 1
    [result] = moved(made, job(made, accepted()))
    assert (result.outcome, result.finding) == (LegOutcome.WAITS, None)
    assert not made.journal.attempts
    assert made.tally.unpaid == 1
    assert str(made.deployment.fee_payer.pubkey) in made.tally.means
    assert "and 1 are missing: send it SOL" in made.tally.means


def test_what_the_fee_payer_can_pay_for_goes_and_the_rest_waits() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + 4 * SIGNATURE_FEE
    results = moved(made, *(job(made, accepted(number)) for number in range(1, 9)))
    landed = [one for one in results if one.outcome is LegOutcome.LANDED]
    assert len(landed) == 2, "a signature each, and one of the fee payer's for each transaction"
    assert made.tally.unpaid == 6


def test_closings_that_bring_rent_back_go_before_what_costs_and_pay_for_it() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + 2 * SIGNATURE_FEE
    costs, brings = job(made, accepted(1)), job(made, accepted(2))
    account = Pubkey.new_unique()
    close = CloseAccount(account, USDC.program, RENT, made.deployment.fee_payer.pubkey)
    brings = LegJob(brings.wallet, replace(brings.leg, steps=((close,),)))
    results = moved(made, costs, brings, alone={1, 2})
    assert {one.wallet.id: one.outcome for one in results} == {1: LegOutcome.LANDED, 2: LegOutcome.LANDED}
    assert [ids for ids, _ in made.journal.attempts] == [[2], [1]]


def test_a_wallet_whose_rows_somebody_holds_keeps_those_beside_it_from_nothing() -> None:
    made = scene()
    made.journal.results, made.journal.held_ids = [BUSY], {2}
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2, 3)))
    assert outcomes(results) == [(1, LegOutcome.AGAIN), (2, LegOutcome.UNFIT), (3, LegOutcome.AGAIN)]


def test_a_wallet_that_failed_on_chain_again_and_again_rests_longer_each_time() -> None:
    made = scene()
    made.records.failures = {
        1: FailuresInARow(2, NOW - timedelta(minutes=59)),
        2: FailuresInARow(2, NOW - timedelta(minutes=61)),
        3: FailuresInARow(5, NOW - timedelta(hours=7)),
    }
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2, 3)))
    assert outcomes(results) == [(2, LegOutcome.LANDED)]
    assert made.tally.resting == 2


def test_a_resting_wallet_whose_payment_is_named_is_tried_at_once_and_alone() -> None:
    made = scene(options=Options(payment_ids=frozenset({101, 102})))
    made.records.failures = {1: FailuresInARow(9, NOW)}
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2)))
    assert outcomes(results) == [(1, LegOutcome.LANDED), (2, LegOutcome.LANDED)]
    assert sorted(made.journal.attempts[0][0]) == [1, 2]
    assert len(made.journal.recorded) == 2


def test_what_is_not_seen_when_patience_ends_stays_in_flight() -> None:
    made = scene(options=Options(patience_seconds=5))
    made.rpc.lands = False
    assert outcomes(moved(made, job(made, accepted()))) == [(1, LegOutcome.IN_FLIGHT)]
    assert [one.fate for one in made.journal.closed] == [Fate.IN_FLIGHT]


def test_money_to_a_receiver_that_is_not_allowed_is_refused_before_anything_is_signed() -> None:
    made = scene(obstacle="it was revoked")
    with pytest.raises(ForbiddenInstruction, match="not to the receiver"):
        moved(made, job(made, accepted()))
    assert not made.journal.attempts
    assert not made.rpc.sent
