"""Expire: initiated payments whose time is over, after a look at the chain.

Nothing there, and nothing ever was: expired, and the wallet is closed as in reclaim. Paid in full and in time:
accepted. Too little, too late or another token: expired and held. Wallets of payments that are over stay watched for
some days.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from solpay_pipeline.lifecycle.policy import EXPIRING
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.records import Wanted
from solpay_pipeline.operations.late_money import look_for_late_money
from solpay_pipeline.operations.looking.own_addresses import with_own_address
from solpay_pipeline.operations.looking.pages import (
    due_pages,
    orphan_pages,
    wallet_pages,
    without_busy,
    without_waiting,
)
from solpay_pipeline.operations.looking.resolutions import judge_and_resolve
from solpay_pipeline.operations.looking.snapshots import take_snapshots
from solpay_pipeline.operations.reclaim import Closer


async def expire(context: OperationContext) -> None:
    """Expire all payments that are due, close their wallets where asked to, then watch.

    To judge takes no fee: no customer waits for a credit because the fee payer is empty.
    """
    closer = Closer.of(context)
    for page in chain(due_pages(context), _forgotten_pages(context)):
        snapshots = await take_snapshots(
            context,
            without_waiting(context, without_busy(context, page)),
            commitment=context.deployment.acceptance,
            min_context_slot=context.chain_slot,
            is_rare=True,
        )
        bare, plain, doubtful = _sorted(context, snapshots)
        context.books.expire_and_close(with_own_address(context, bare))
        expired = context.books.expire(with_own_address(context, plain))
        expired += (await judge_and_resolve(context, doubtful, EXPIRING)).closable
        if context.options.close_wallets:
            await closer.close(expired, are_judged=True)
    for _ in orphan_pages(context):
        pass  # Reading them sets them aside.
    await look_for_late_money(context)


def _sorted(
    context: OperationContext, snapshots: Sequence[Snapshot]
) -> tuple[list[Snapshot], list[Snapshot], list[Snapshot]]:
    """Those to expire and close at once, those that have accounts to close, and those to judge first."""
    bare: list[Snapshot] = []
    plain: list[Snapshot] = []
    doubtful: list[Snapshot] = []
    for snapshot in snapshots:
        if context.options.check_history or not _is_plain(snapshot):
            doubtful.append(snapshot)
        elif context.options.close_wallets and _is_bare(context, snapshot):
            bare.append(snapshot)
        else:
            plain.append(snapshot)
    return bare, plain, doubtful


def _is_bare(context: OperationContext, snapshot: Snapshot) -> bool:
    """There is nothing to close, as read at the commitment at which wallets come to rest."""
    return not snapshot.holdings.accounts and snapshot.commitment is context.deployment.commitment


def _is_plain(snapshot: Snapshot) -> bool:
    """Empty and as created, its accounts in place. Money that came and left again would not show in this."""
    return (
        snapshot.payment.status is PaymentStatus.INITIATED
        and snapshot.wallet.state is WalletState.CREATED
        and snapshot.holdings.is_empty
        and not snapshot.holdings.absent
    )


def _forgotten_pages(context: OperationContext) -> Iterator[list[Wallet]]:
    """The peer expires payments without a look at the chain, and leaves their wallets `created`."""
    return wallet_pages(context, Wanted({WalletState.CREATED}, {PaymentStatus.EXPIRED}))
