"""Recheck: initiated payments are looked up on chain; what was paid is accepted, reported and sent home.

Those that waited longest since they were last looked at come first, so that a limit starves none. A payment that is
not paid is not changed, and nothing is created on chain.
"""

from collections.abc import Sequence

from solpay_pipeline.lifecycle.judgement import covers
from solpay_pipeline.lifecycle.policy import RECHECKING
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.pages import readable, without_busy, without_waiting
from solpay_pipeline.operations.looking.resolutions import judge_and_resolve
from solpay_pipeline.operations.looking.snapshots import take_snapshots
from solpay_pipeline.operations.sweep import Sweeper


async def recheck(context: OperationContext) -> None:
    """Look at up to `limit` payments, where there is one."""
    ids = _chosen(context)
    sweeper = Sweeper.of(context)
    for start in range(0, len(ids), context.options.page_size):
        if context.must_stop():
            context.tally.left += len(ids) - start
            return
        page = ids[start : start + context.options.page_size]
        rows = context.records.of_payments(page)
        accepted = await _look(
            context, without_waiting(context, without_busy(context, readable(context, rows)))
        )
        context.books.remember_looks(page)
        if context.options.forward_funds:
            await sweeper.sweep(accepted)


def _is_deep(context: OperationContext) -> bool:
    """A recheck of a day or of named payments asks history of every one, and of expired ones too."""
    return context.options.payment_ids is not None or context.options.created_from is not None


def _chosen(context: OperationContext) -> list[int]:
    statuses = {PaymentStatus.INITIATED}
    if _is_deep(context):
        statuses.add(PaymentStatus.EXPIRED)
    return context.records.to_recheck(statuses)


async def _look(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    snapshots = await take_snapshots(
        context,
        wallets,
        commitment=context.deployment.acceptance,
        min_context_slot=context.chain_slot,
        is_rare=_is_deep(context),
    )
    worth_a_look = [one for one in snapshots if _is_deep(context) or _may_be_paid(context, one)]
    context.tally.waiting += len(snapshots) - len(worth_a_look)
    return (await judge_and_resolve(context, worth_a_look, RECHECKING)).accepted


def _may_be_paid(context: OperationContext, snapshot: Snapshot) -> bool:
    """Its balance covers a price, or others have worked on the wallet, so that its balance does not say all."""
    return (
        covers(snapshot.payment, snapshot.holdings.balances(), snapshot.decimals, context.options.tolerance)
        or snapshot.wallet.state is not WalletState.CREATED
    )
