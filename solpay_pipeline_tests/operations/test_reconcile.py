"""Look, decide, move, look again: until nothing is left to do."""

import asyncio
from typing import Any

from solders.pubkey import Pubkey

from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.lifecycle.actions import Leg, MoveLamports
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Commitment, Wallet
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.moving.reconcile import RoundPlan, reconcile
from solpay_pipeline_tests.operations.ground import (
    PRICE,
    SLOT,
    Scene,
    accepted,
    holds,
    scene,
)

BUSY, DUPLICATE = Recording(Recorded.BUSY), Recording(Recorded.DUPLICATE)
OVER_LIMIT = Recording(Recorded.OVER_LIMIT, LimitReached("max_spent_per_day", "it would be too much"))


class Planner:
    """Moves what a wallet holds; keeps what was given up."""

    def __init__(self, made: Scene) -> None:
        self.mover = made.mover
        self.given_up: list[tuple[int, FindingCode]] = []
        self.looks: list[list[int]] = []

    async def plan(self, snapshots: Any) -> RoundPlan:
        self.looks.append([one.wallet.id for one in snapshots])
        full = [one for one in snapshots if not one.holdings.is_empty]
        return RoundPlan(tuple(self._job(one) for one in full))

    def give_up(self, wallet: Wallet, *findings: Finding) -> None:
        self.given_up += [(wallet.id, one.code) for one in findings]

    def _job(self, one: Snapshot) -> LegJob:
        action = MoveLamports(one.holdings.lamports, Pubkey.default())
        return LegJob(one.wallet, Leg(one.wallet.id, one.payment.address, ((action,),)))


def reconciled(made: Scene, *numbers: int) -> Planner:
    wallets = [accepted(number) for number in numbers]
    for one in wallets:
        made.add(one, holds(one, PRICE))
    planner = Planner(made)
    asyncio.run(reconcile(made.context, wallets, planner))
    return planner


def test_a_wallet_is_looked_at_again_after_its_money_has_moved() -> None:
    made = scene()
    assert reconciled(made, 1).looks == [[1], [1]]
    assert made.chain.asked[-1] == ("holdings_and_mints", (Commitment.CONFIRMED, SLOT + 1)), (
        "no older than the move"
    )


def test_a_wallet_that_spoils_a_transaction_goes_alone_and_is_then_given_up() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.SPOILED, LegOutcome.SPOILED], 2: [LegOutcome.AGAIN]}
    planner = reconciled(made, 1, 2)
    assert made.mover.rounds == [([1, 2], set()), ([1, 2], {1})]
    assert planner.given_up == [(1, FindingCode.TRANSACTION_FAILED)]


def test_what_is_said_to_have_landed_and_is_there_as_before_is_not_signed_for_again() -> None:
    made = scene()
    made.mover.is_lied_to = True
    planner = reconciled(made, 1)
    assert made.mover.rounds == [([1], set())]
    assert planner.given_up == [(1, FindingCode.STILL_MOVING)]


def test_a_wallet_that_waits_for_the_limit_is_noted_and_not_given_up() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.WAITS]}
    assert not reconciled(made, 1).given_up
    assert [one.wallet_id for one in made.books.findings] == [1]


def test_what_is_in_flight_or_taken_by_others_is_counted_and_left() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.IN_FLIGHT], 2: [LegOutcome.SKIPPED]}
    assert reconciled(made, 1, 2).looks == [[1, 2]]
    assert (made.tally.in_flight, made.tally.skipped) == (1, 1)


def test_a_wallet_that_never_comes_to_rest_is_given_up_after_ten_rounds() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.AGAIN] * 20}
    planner = reconciled(made, 1)
    assert len(planner.looks) == 10
    assert planner.given_up == [(1, FindingCode.STILL_MOVING)]


def test_a_run_that_is_out_of_time_gives_nothing_up() -> None:
    made = scene(options=Options(max_runtime_seconds=1))
    made.clock.now = 2
    planner = reconciled(made, 1)
    assert (planner.looks, planner.given_up) == ([], [])
