"""Money that comes to a wallet after its story seemed over: held, or swept where it is the merchant's.

Looks at expired, closed, held and swept wallets, whoever brought them there: daily for `watch_days`, then ever more
rarely, and never for the last time. Looks are remembered, so that what nobody has paid for costs nothing.
"""

from collections.abc import Sequence
from datetime import timedelta

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.findings import HELD
from solpay_pipeline.lifecycle.holdings import TokenHolding
from solpay_pipeline.lifecycle.policy import EXPIRING
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.own_addresses import with_own_address
from solpay_pipeline.operations.looking.pages import watched_pages, without_busy
from solpay_pipeline.operations.looking.resolutions import expired_by_others, judge_and_resolve
from solpay_pipeline.operations.looking.snapshots import take_snapshots

_WATCHED = (
    WalletState.PAYMENT_EXPIRED,
    WalletState.CLOSED,
    WalletState.RECEIVED_FUNDS,
    WalletState.SENT_FUNDS,
)

# Wallets looked at in one run: some six hundred calls; the longest due come first.
_MOST_WATCHED = 20_000

# What closing the accounts of one wallet may cost in signatures, its own and its share of the fee payer's.
_CLOSING_SIGNATURES = 2

_OVER = (WalletState.PAYMENT_EXPIRED, WalletState.CLOSED)


async def look_for_late_money(context: OperationContext) -> None:
    """Look once at every watched wallet, but those that this run has looked at and reported on already."""
    if context.options.watch_days <= 0:
        return
    daily_for = timedelta(days=context.options.watch_days)
    for page in watched_pages(context, _WATCHED, limit=_MOST_WATCHED):
        snapshots = await take_snapshots(
            context,
            without_busy(context, page),
            commitment=context.deployment.acceptance,
            min_context_slot=context.chain_slot,
            is_rare=True,
        )
        snapshots = with_own_address(context, snapshots)
        await _expired(context, [one for one in snapshots if one.payment.status is PaymentStatus.EXPIRED])
        await _accepted(context, [one for one in snapshots if one.payment.status in ACCEPTED])
        if context.must_stop():
            return  # Some were not judged: the next run looks at this page again.
        context.books.remember_watched(snapshots, context.chain_time, daily_for=daily_for)


async def _expired(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    over = [one for one in snapshots if one.holdings.is_empty and one.wallet.state in _OVER]
    doubtful = expired_by_others(context, over)
    doubtful += [one for one in snapshots if not one.holdings.is_empty]
    await judge_and_resolve(context, doubtful, EXPIRING)
    # Somebody has moved what was held, or called a wallet closed whose accounts are open: nothing is left but to close.
    let_go = [
        one.wallet
        for one in snapshots
        if one.holdings.is_empty
        and (
            one.wallet.state is WalletState.RECEIVED_FUNDS
            or (one.wallet.state is WalletState.CLOSED and one.holdings.accounts)
        )
    ]
    context.books.change_state(let_go, WalletState.PAYMENT_EXPIRED, ending=HELD)


async def _accepted(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    """A customer who paid again, or a wallet whose sweep the peer wrote over: the next sweep brings it to rest."""
    full = [
        one
        for one in snapshots
        if not one.holdings.is_empty and one.wallet.state is not WalletState.RECEIVED_FUNDS
    ]
    left = await _left_for_good(context, full)
    paid_again = [one.wallet for one in full if not one.is_empty_but_for(left)]
    unfinished = paid_again + _swept_by_us_and_called_closed(context, snapshots)
    unfinished += await _left_open(context, [one for one in snapshots if one.is_empty_but_for(left)])
    context.tally.returned += len(context.books.change_state(unfinished, WalletState.PROCESSING_PAYMENT))


async def _left_for_good(context: OperationContext, snapshots: Sequence[Snapshot]) -> set[Pubkey]:
    """Mints of tokens that nobody asked for and no sweep moves: they cannot leave, or the receiver cannot take them."""
    unasked = [token for snapshot in snapshots for token in snapshot.unasked]
    if not unasked:
        return set()
    deployment = context.deployment
    destinations = await context.chain.destinations(
        deployment.receiver, {token.mint for token in unasked}, commitment=deployment.commitment
    )
    usable = {mint for mint, one in destinations.items() if one.exists and one.obstacle is None}
    return {token.mint.address for token in unasked if token.obstacles or token.mint.address not in usable}


async def _left_open(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Wallet]:
    """The peer sweeps a wallet and leaves its token accounts open: their rent comes back where it is worth the fee."""
    open_ones = [
        snapshot
        for snapshot in snapshots
        if snapshot.wallet.state is WalletState.SENT_FUNDS and _closable(snapshot)
    ]
    if not open_ones:
        return []
    fee = _CLOSING_SIGNATURES * await context.facts.signature_fee() + context.deployment.max_priority_fee
    return [
        snapshot.wallet for snapshot in open_ones if sum(token.rent for token in _closable(snapshot)) > fee
    ]


def _closable(snapshot: Snapshot) -> list[TokenHolding]:
    return [one for one in snapshot.holdings.tokens if one.is_empty and one.cannot_close is None]


def _swept_by_us_and_called_closed(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Wallet]:
    """The peer's sweep finds a wallet empty that we swept a moment ago, and calls its payment expired and it closed.

    `send_solana_payments_from_one_time_wallets` in its services/solana_payments_service.py.
    """
    closed = [
        one.wallet for one in snapshots if one.holdings.is_empty and one.wallet.state is WalletState.CLOSED
    ]
    if not closed:
        return []
    ours = context.records.moved_home([wallet.id for wallet in closed])
    return [wallet for wallet in closed if wallet.id in ours]
