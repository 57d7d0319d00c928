"""From a draft to the chain and back into the ledger."""

import pytest

from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.rpc.errors import NodeBehind
from solpay_pipeline.chain.sending.broadcast import Fate
from solpay_pipeline.chain.sending.instructions import ForbiddenInstruction
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import LegOutcome
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline_tests.operations.ground import (
    IN_FLIGHT,
    SIGNATURE_FEE,
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


def test_a_fee_payer_that_cannot_pay_stops_the_run_before_anything_is_signed() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + 2 * SIGNATURE_FEE - 1
    with pytest.raises(Blocked, match=str(made.deployment.fee_payer.pubkey)):
        moved(made, job(made, accepted()))
    assert not made.journal.attempts


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
