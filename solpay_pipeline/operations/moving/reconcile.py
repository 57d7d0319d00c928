"""Look, decide, move, look again: until the chain itself shows that nothing is left to do.

A wallet's final state is only ever written on what a read of the chain shows, never on the word of a transaction,
so the last look of every wallet is the proof.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.changes.transitions import set_aside
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.pages import without_busy
from solpay_pipeline.operations.looking.snapshots import take_snapshots
from solpay_pipeline.operations.moving.execution import LegJob, LegOutcome, LegResult, Mover
from solpay_pipeline.records.queries import wallets_of_payments

# A wallet with many token accounts needs a transaction for every few of them; a wallet that spoils one, two more.
_MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """`jobs` are to be moved; `again` are wallets whose row we changed and that want another look."""

    jobs: tuple[LegJob, ...] = ()
    again: tuple[Wallet, ...] = ()


Decide = Callable[[Sequence[Snapshot]], Awaitable[RoundPlan]]
GiveUp = Callable[[Wallet, Finding], None]


async def reconcile(
    context: OperationContext, wallets: Sequence[Wallet], mover: Mover, decide: Decide, give_up: GiveUp
) -> None:
    """Bring wallets to rest. `give_up` gets those that cannot be moved, with the reason."""
    pending = list(wallets)
    min_slot = context.chain_slot
    alone: set[int] = set()
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
        decision = await decide(snapshots)
        if context.options.dry_run:
            await mover.plan_only(decision.jobs)
            pending = list(decision.again)
            continue
        results = await mover.move(decision.jobs, alone=alone) if decision.jobs else []
        context.tally.skipped += sum(result.outcome is LegOutcome.SKIPPED for result in results)
        context.tally.in_flight += sum(result.outcome is LegOutcome.IN_FLIGHT for result in results)
        min_slot = max([min_slot, *(result.slot for result in results)])
        again = _again(results, alone, give_up)
        set_aside(
            context, [one.finding for one in results if one.outcome is LegOutcome.WAITS and one.finding]
        )
        pending = [*decision.again, *_reloaded(context, again)]
    for wallet in [] if context.tally.stopped_reason != "done" else pending:
        payment_id = None if wallet.payment is None else wallet.payment.id
        words = f"not at rest after {_MAX_ROUNDS} rounds; the next run goes on"
        give_up(wallet, Finding(FindingCode.STILL_MOVING, wallet.id, payment_id, words))


def _again(results: Sequence[LegResult], alone: set[int], give_up: GiveUp) -> list[Wallet]:
    again = []
    for result in results:
        wallet = result.wallet
        match result.outcome:
            case LegOutcome.LANDED | LegOutcome.AGAIN:
                again.append(wallet)
            case LegOutcome.SPOILED if wallet.id not in alone:
                alone.add(wallet.id)
                again.append(wallet)
            case LegOutcome.SPOILED | LegOutcome.SET_ASIDE if result.finding is not None:
                give_up(wallet, result.finding)
            case _:
                pass
    return again


def _reloaded(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    """The rows as they are now: the shop goes on working while we do."""
    ids = [wallet.payment.id for wallet in wallets if wallet.payment is not None]
    if not ids:
        return []
    with reading(context.deployment.engine) as connection:
        rows = wallets_of_payments(connection, context.deployment.tables, ids)
    return [row for row in rows if isinstance(row, Wallet)]
