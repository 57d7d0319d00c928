"""Look, decide, move, look again: until the chain itself shows that nothing is left to do.

A wallet's final state is only ever written on what a read of the chain shows, never on the word of a transaction,
so the last look of every wallet is the proof.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.lifecycle.actions import Leg
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome, LegResult, Mover
from solpay_pipeline.operations.context.outcome import DONE
from solpay_pipeline.operations.looking.pages import without_busy
from solpay_pipeline.operations.looking.snapshots import take_snapshots

# A wallet with many token accounts needs a transaction for every few of them; a wallet that spoils one, two more.
_MAX_ROUNDS = 10

_GOES_ALONE = (LegOutcome.SPOILED, LegOutcome.UNFIT)


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """`jobs` are to be moved; `again` are wallets whose row we changed and that want another look."""

    jobs: tuple[LegJob, ...] = ()
    again: tuple[Wallet, ...] = ()


class Planner(Protocol):
    """An operation that brings wallets to rest."""

    @property
    def mover(self) -> Mover:
        """Who carries out its plans."""

    async def plan(self, snapshots: Sequence[Snapshot]) -> RoundPlan:
        """Decide about wallets as they are now; what needs no move is written at once."""

    def give_up(self, wallet: Wallet, *findings: Finding) -> None:
        """Leave a wallet that cannot be moved, with the reasons."""


async def reconcile(context: OperationContext, wallets: Sequence[Wallet], planner: Planner) -> None:
    """Bring wallets to rest."""
    pending = list(wallets)
    min_slot = context.chain_slot
    alone: frozenset[int] = frozenset()
    landed: dict[int, Leg] = {}
    for _ in range(_MAX_ROUNDS):
        pending = without_busy(context, pending)
        if not pending or context.must_stop():
            break
        snapshots, _ = await both(
            take_snapshots(
                context, pending, commitment=context.deployment.commitment, min_context_slot=min_slot
            ),
            context.facts.ask_fee_early(),
        )
        plan = await planner.plan(snapshots)
        jobs = _believed(plan.jobs, landed, planner)
        results = await planner.mover.move(jobs, alone=alone) if jobs else []
        has_landed = {one.wallet.id for one in results if one.outcome is LegOutcome.LANDED}
        landed = {one.wallet.id: one.leg for one in jobs if one.wallet.id in has_landed}
        _write_down(context, results, alone, planner)
        again = [one.wallet for one in results if _is_looked_at_again(one, alone)]
        alone |= {one.wallet.id for one in results if one.outcome in _GOES_ALONE}
        min_slot = max([min_slot, *(result.slot for result in results)])
        pending = [*plan.again, *_reloaded(context, again)]
    if context.tally.stopped_reason != DONE:
        context.tally.left += len(pending)
        return
    for wallet in pending:
        words = f"not at rest after {_MAX_ROUNDS} rounds; the next run goes on"
        planner.give_up(wallet, Finding.about(wallet, FindingCode.STILL_MOVING, words))


def _believed(jobs: Sequence[LegJob], landed: Mapping[int, Leg], planner: Planner) -> list[LegJob]:
    """The jobs but for those that are said to have landed, while the same money is there as before.

    One of the two answers is not true: nothing else is signed for that money before the next run has looked.
    """
    believed = [one for one in jobs if landed.get(one.wallet.id) != one.leg]
    words = (
        "its transaction is said to have landed, and its money is there as before; the next run looks again"
    )
    for one in jobs:
        if one not in believed:
            planner.give_up(one.wallet, Finding.about(one.wallet, FindingCode.STILL_MOVING, words))
    return believed


def _is_looked_at_again(result: LegResult, alone: Collection[int]) -> bool:
    """A wallet that spoils a transaction goes alone the next time; one that was alone already is given up."""
    if result.outcome in _GOES_ALONE:
        return result.wallet.id not in alone
    return result.outcome in (LegOutcome.LANDED, LegOutcome.AGAIN)


def _write_down(
    context: OperationContext, results: Sequence[LegResult], alone: Collection[int], planner: Planner
) -> None:
    context.tally.skipped += sum(one.outcome is LegOutcome.SKIPPED for one in results)
    context.tally.in_flight += sum(one.outcome is LegOutcome.IN_FLIGHT for one in results)
    held = [one.wallet for one in results if one.outcome is LegOutcome.UNFIT and one.wallet.id in alone]
    context.tally.locked |= {wallet.payment.id for wallet in held if wallet.payment is not None}
    left = [(one, one.finding) for one in results if one.finding and not _is_looked_at_again(one, alone)]
    for result, finding in left:
        if result.outcome is not LegOutcome.WAITS:
            planner.give_up(result.wallet, finding)
    context.books.note([finding for result, finding in left if result.outcome is LegOutcome.WAITS])


def _reloaded(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    """The rows as they are now: the shop goes on working while we do."""
    ids = [wallet.payment.id for wallet in wallets if wallet.payment is not None]
    if not ids:
        return []
    return [row for row in context.records.of_payments(ids) if isinstance(row, Wallet)]
