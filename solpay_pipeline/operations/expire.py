"""Expire: initiated payments whose time is over, after a look at the chain.

Nothing there, and nothing ever was: expired, and the wallet is closed as in reclaim. Paid in full and in time:
accepted. Too little, too late or another token: expired and held. Wallets of payments that are over stay watched for
some days.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.context.errors import Blocked
from solpay_pipeline.operations.late_money import watch
from solpay_pipeline.operations.looking.judging import judge_expired
from solpay_pipeline.operations.looking.pages import due_pages, wallet_pages
from solpay_pipeline.operations.looking.snapshots import Sight, survey
from solpay_pipeline.operations.moving.reconcile import without_busy
from solpay_pipeline.operations.reclaim import Closer


async def expire(errand: Errand) -> None:
    """Expire all payments that are due, close their wallets where asked to, then watch.

    Raises `Blocked` at the end where wallets could not be closed: to judge takes no fee, and nobody is to wait for his
    credit because the fee payer is empty.
    """
    closer = Closer.of(errand)
    blocked: Blocked | None = None
    for page in chain(due_pages(errand), _forgotten_pages(errand)):
        sights = await survey(
            errand,
            without_busy(errand, page),
            commitment=errand.merchant.acceptance,
            min_context_slot=errand.chain_slot,
        )
        bare, plain, doubtful = _told_apart(errand, sights)
        transitions.expire_and_close(errand, bare)
        expired = transitions.expire(errand, plain)
        expired += await judge_expired(errand, doubtful)
        if errand.options.close_wallets and blocked is None:
            try:
                await closer.close(expired, are_judged=True)
            except Blocked as reason:
                blocked = reason
    await watch(errand)
    if blocked is not None:
        raise blocked


def _told_apart(errand: Errand, sights: Sequence[Sight]) -> tuple[list[Sight], list[Sight], list[Sight]]:
    """Those to expire and close in one breath, those that have accounts to close, and those to judge first."""
    bare: list[Sight] = []
    plain: list[Sight] = []
    doubtful: list[Sight] = []
    for sight in sights:
        if errand.options.check_history or not _is_plain(sight):
            doubtful.append(sight)
        elif errand.options.close_wallets and _is_bare(errand, sight):
            bare.append(sight)
        else:
            plain.append(sight)
    return bare, plain, doubtful


def _is_bare(errand: Errand, sight: Sight) -> bool:
    """There is nothing to close, as read at the commitment at which wallets come to rest."""
    return not sight.holdings.tokens and sight.commitment is errand.merchant.commitment


def _is_plain(sight: Sight) -> bool:
    """Empty and as created, its accounts in place. Money that came and left again would not show in this."""
    return (
        sight.payment.status is PaymentStatus.INITIATED
        and sight.wallet.state is WalletState.CREATED
        and sight.holdings.is_empty
        and not sight.holdings.absent
    )


def _forgotten_pages(errand: Errand) -> Iterator[list[Wallet]]:
    """The peer expires payments without a look at the chain, and leaves their wallets `created`."""
    return wallet_pages(errand, states={WalletState.CREATED}, payment_statuses={PaymentStatus.EXPIRED})
