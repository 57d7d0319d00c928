"""Recheck: initiated payments are looked up on chain; what was paid is accepted, told and sent home.

Those that waited longest since they were last looked at come first, so that a limit starves none. A payment that is
not paid is not changed, and nothing is created on chain.
"""

from collections.abc import Sequence

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import recheck_queue
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.judgement import Judgement, Standing, covers
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.judging import unclear
from solpay_pipeline.operations.looking.pages import readable, without_busy
from solpay_pipeline.operations.looking.snapshots import judge_snapshots, take_snapshots
from solpay_pipeline.operations.sweep import Sweeper
from solpay_pipeline.records.queries import payment_ids_with_status, wallets_of_payments


async def recheck(context: OperationContext) -> None:
    """Look at up to `limit` payments, where there is one."""
    ids = _chosen(context)
    sweeper = Sweeper.of(context)
    for start in range(0, len(ids), context.options.page_size):
        if context.must_stop():
            return
        page = ids[start : start + context.options.page_size]
        with reading(context.deployment.engine) as connection:
            rows = wallets_of_payments(connection, context.deployment.tables, page)
        accepted = await _look(context, without_busy(context, readable(context, rows)))
        if not context.options.dry_run:
            with context.deployment.engine.begin() as connection:
                recheck_queue.looked_at(connection, page, context.now())
        if context.options.forward_funds:
            await sweeper.sweep(accepted)


def _is_deep(context: OperationContext) -> bool:
    """A recheck of a day or of named payments asks history of every one, and of expired ones too."""
    return context.options.payment_ids is not None or context.options.created_from is not None


def _chosen(context: OperationContext) -> list[int]:
    options = context.options
    statuses = {PaymentStatus.INITIATED}
    if _is_deep(context):
        statuses.add(PaymentStatus.EXPIRED)
    with reading(context.deployment.engine) as connection:
        candidates = payment_ids_with_status(
            connection,
            context.deployment.tables,
            statuses=statuses,
            created_from=options.created_from,
            created_until=options.created_until,
            payment_ids=options.payment_ids,
        )
        return recheck_queue.longest_unseen(connection, candidates, options.limit)


async def _look(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    snapshots = await take_snapshots(
        context, wallets, commitment=context.deployment.acceptance, min_context_slot=context.chain_slot
    )
    worth_a_look = [
        snapshot for snapshot in snapshots if _is_deep(context) or _may_be_paid(context, snapshot)
    ]
    context.tally.waiting += len(snapshots) - len(worth_a_look)
    paid: list[tuple[Snapshot, Judgement]] = []
    for snapshot, judged in await judge_snapshots(context, worth_a_look):
        if isinstance(judged, Finding):
            transitions.set_aside(context, [judged])
        elif judged.standing is Standing.PAID:
            paid.append((snapshot, judged))
        elif judged.standing is Standing.UNDATED:
            transitions.set_aside(context, unclear(snapshot))
        else:
            context.tally.waiting += 1
    return transitions.accept(context, paid)


def _may_be_paid(context: OperationContext, snapshot: Snapshot) -> bool:
    """Its balance covers a price, or somebody was at the wallet, so that its balance does not tell all."""
    return (
        covers(snapshot.payment, snapshot.holdings.balances(), snapshot.decimals, context.options.tolerance)
        or snapshot.wallet.state is not WalletState.CREATED
    )
