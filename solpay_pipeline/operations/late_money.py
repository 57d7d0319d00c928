"""Money that comes to a wallet after its story seemed over: held, or swept where it is the merchant's.

Looks at expired, closed, held and swept wallets whose payment's time was over at most `watch_days` ago.
"""

from collections.abc import Sequence
from datetime import timedelta

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import findings, transactions
from solpay_pipeline.ledger.outbox import payments_told_in
from solpay_pipeline.lifecycle.findings import HELD
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.judging import expired_by_others, judge_expired
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.looking.snapshots import Sight, survey
from solpay_pipeline.operations.moving.reconcile import without_busy

_WATCHED = (
    WalletState.PAYMENT_EXPIRED,
    WalletState.CLOSED,
    WalletState.RECEIVED_FUNDS,
    WalletState.SENT_FUNDS,
)

_OVER = (WalletState.PAYMENT_EXPIRED, WalletState.CLOSED)


async def watch(errand: Errand) -> None:
    """Look once at every watched wallet, but those that this run has looked at and told of already."""
    if errand.options.watch_days <= 0:
        return
    since = errand.chain_time - timedelta(days=errand.options.watch_days)
    just_seen = payments_told_in(errand.run)
    for page in wallet_pages(
        errand, states=_WATCHED, expired_since=since, without=just_seen, is_counted=False
    ):
        sights = await survey(
            errand,
            without_busy(errand, page),
            commitment=errand.merchant.acceptance,
            min_context_slot=errand.chain_slot,
        )
        await _expired(errand, [sight for sight in sights if sight.payment.status is PaymentStatus.EXPIRED])
        _accepted(errand, [sight for sight in sights if sight.payment.status in ACCEPTED])


async def _expired(errand: Errand, sights: Sequence[Sight]) -> None:
    over = [sight for sight in sights if sight.holdings.is_empty and sight.wallet.state in _OVER]
    doubtful = expired_by_others(errand, over)
    await judge_expired(errand, doubtful + [sight for sight in sights if not sight.holdings.is_empty])
    # Somebody has moved what was held, or called a wallet closed whose accounts are open: nothing is left but to close.
    let_go = [
        sight.wallet
        for sight in sights
        if sight.holdings.is_empty
        and (
            sight.wallet.state is WalletState.RECEIVED_FUNDS
            or (sight.wallet.state is WalletState.CLOSED and sight.holdings.tokens)
        )
    ]
    for wallet in transitions.move_to_state(errand, let_go, WalletState.PAYMENT_EXPIRED):
        if not errand.options.dry_run:
            with errand.merchant.engine.begin() as connection:
                findings.clear(connection, [wallet.id], HELD, errand.now())


def _accepted(errand: Errand, sights: Sequence[Sight]) -> None:
    """A customer who paid again, or a wallet whose sweep the peer wrote over: the next sweep brings it to rest."""
    paid_again = [
        sight.wallet
        for sight in sights
        if not sight.holdings.is_empty and sight.wallet.state is not WalletState.RECEIVED_FUNDS
    ]
    unfinished = paid_again + _swept_by_us_and_called_closed(errand, sights)
    errand.tally.returned += len(
        transitions.move_to_state(errand, unfinished, WalletState.PROCESSING_PAYMENT)
    )


def _swept_by_us_and_called_closed(errand: Errand, sights: Sequence[Sight]) -> list[Wallet]:
    """The peer's sweep finds a wallet empty that we swept a moment ago, and calls its payment expired and it closed.

    `send_solana_payments_from_one_time_wallets` in its services/solana_payments_service.py.
    """
    closed = [
        sight.wallet
        for sight in sights
        if sight.holdings.is_empty and sight.wallet.state is WalletState.CLOSED
    ]
    if not closed:
        return []
    with reading(errand.merchant.engine) as connection:
        ours = transactions.gone_home(connection, [wallet.id for wallet in closed])
    return [wallet for wallet in closed if wallet.id in ours]
