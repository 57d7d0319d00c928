"""What changes make of rows, and which findings begin and end with them: the same whether written or counted."""

from collections.abc import Mapping
from dataclasses import replace

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings, Mint
from solpay_pipeline.lifecycle.judgement import Judgement, beyond
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import (
    ACCEPTED,
    SOL_DECIMALS,
    PaymentOption,
    PaymentStatus,
    Wallet,
    WalletState,
)

JUDGED = frozenset(
    {
        FindingCode.UNDATED,
        FindingCode.HISTORY_UNREADABLE,
        FindingCode.UNREADABLE_ROW,
        FindingCode.MINT_UNREADABLE,
        FindingCode.MINT_CHANGED,
    }
)
"""Findings that end when a payment has been judged."""

STUCK = frozenset(
    {
        FindingCode.KEY_UNREADABLE,
        FindingCode.KEY_MISMATCH,
        FindingCode.TOKEN_STUCK,
        FindingCode.ACCOUNT_STUCK,
        FindingCode.LAMPORTS_STUCK,
        FindingCode.DESTINATION_UNFIT,
        FindingCode.TOO_LARGE,
        FindingCode.TRANSACTION_FAILED,
        FindingCode.UNECONOMIC,
        FindingCode.STILL_MOVING,
        FindingCode.SPENDING_LIMIT,
        FindingCode.UNDECIDED,
        FindingCode.FUNDS_ELSEWHERE,
        FindingCode.UNASKED,
        *JUDGED,
    }
)
"""Findings that end when a wallet is empty."""

FOLLOWED = frozenset({FindingCode.REVERTED, FindingCode.FINALITY_UNKNOWN})
"""Findings that end when what paid a payment is final, or nobody takes the payment for paid any more."""

_HELD_BECAUSE = {
    FindingCode.SHORT: "less than the price came in before the payment's time was over",
    FindingCode.LATE: "it came in after the payment's time was over",
    FindingCode.UNEXPECTED: "it is no token that this payment could be paid in",
}


def completion(snapshot: Snapshot, judgement: Judgement) -> tuple[PaymentOption, str]:
    """In what a payment was paid, and the signature of the transfer that completed it.

    Raises ValueError where there is none.
    """
    if judgement.option is None or judgement.signature is None:
        raise ValueError(f"payment {snapshot.payment.id} has no completing transfer")
    return judgement.option, judgement.signature


def accepted_wallet(snapshot: Snapshot, judgement: Judgement, status: PaymentStatus) -> Wallet:
    """The wallet once its payment is accepted. Raises as `completion` does."""
    option, signature = completion(snapshot, judgement)
    wallet, holdings = snapshot.wallet, snapshot.holdings
    # Money that has already gone home leaves the wallet as it is; all else becomes the next sweep's work.
    is_home = wallet.state is WalletState.SENT_FUNDS and holdings.is_empty and not holdings.tokens
    return Wallet(
        wallet.id,
        WalletState.SENT_FUNDS if is_home else WalletState.PROCESSING_PAYMENT,
        replace(snapshot.payment, status=status, signature=signature, paid_token_id=option.token_id),
    )


def expired_wallet(snapshot: Snapshot) -> Wallet:
    """The wallet once its payment is expired."""
    payment = replace(snapshot.payment, status=PaymentStatus.EXPIRED)
    return Wallet(snapshot.wallet.id, WalletState.PAYMENT_EXPIRED, payment)


def overpaid(snapshot: Snapshot, judgement: Judgement) -> list[Finding]:
    """A finding for each asset of which more came in than was asked for; a token that nobody named is none."""
    return _too_much(snapshot, judgement.surplus)


def _too_much(snapshot: Snapshot, surplus: Mapping[Pubkey | None, int]) -> list[Finding]:
    return [
        Finding(
            FindingCode.OVERPAID,
            snapshot.wallet.id,
            snapshot.payment.id,
            f"{amount} base units more than the price came in{_as_shown(snapshot, mint)}",
            mint,
            amount,
        )
        for mint, amount in surplus.items()
        if mint is None or mint in snapshot.payment.mints
    ]


def overpaid_at_home(snapshot: Snapshot, home: Mapping[Pubkey | None, int]) -> list[Finding]:
    """As `overpaid`, by what of an accepted payment has come home in all: whenever it came, it is too much alike.

    Where the shop has changed the price since, the one that leaves the least is taken: which stood when the money came
    only the history knows.
    """
    payment = snapshot.payment
    if payment.status not in ACCEPTED:
        return []
    met = [
        (option.mint, price)
        for offer in reversed(payment.offers)
        for option in offer.options
        if payment.paid_token_id in (None, option.token_id)
        and (price := _price(snapshot, option)) is not None
        and home.get(option.mint, 0) >= price
    ]
    if not met:
        return []
    paid_in = met[0][0]
    return _too_much(snapshot, beyond(home, paid_in, max(price for mint, price in met if mint == paid_in)))


def _price(snapshot: Snapshot, option: PaymentOption) -> int | None:
    places = SOL_DECIMALS if option.mint is None else snapshot.decimals.get(option.mint)
    return None if places is None else option.base_units(places)


def held(snapshot: Snapshot, label: FindingCode) -> list[Finding]:
    """A finding for each asset that is kept; `label` says why one that has a price does not pay it."""
    priced = {option.mint for offer in snapshot.payment.offers for option in offer.options}
    findings = []
    holdings = snapshot.holdings
    balances = holdings.balances()
    for mint, amount in holdings.money().items():
        code = label if mint in priced and balances.get(mint) else FindingCode.UNEXPECTED
        words = f"{amount} base units are held: {_HELD_BECAUSE[code]}"
        places = _places(holdings, mint)
        if places:
            words = f"{words}; of them {', '.join(places)}"
        if code is FindingCode.SHORT:
            words += _as_shown(snapshot, mint)
        findings.append(Finding(code, snapshot.wallet.id, snapshot.payment.id, words, mint, amount))
    for address, why in holdings.unreadable.items():
        words = f"something is held of which nobody can say what it is: {why}"
        findings.append(
            Finding(FindingCode.UNEXPECTED, snapshot.wallet.id, snapshot.payment.id, words, address)
        )
    return findings


def _as_shown(snapshot: Snapshot, asset: Pubkey | None) -> str:
    """What may explain that somebody sent another amount than the price: his program showed him another."""
    mint = None if asset is None else snapshot.mints.get(asset)
    if not isinstance(mint, Mint) or mint.shown is None:
        return ""
    return f"; the token's app shows amounts {mint.shown}, and prices are in raw units"


def _places(holdings: Holdings, mint: Pubkey | None) -> list[str]:
    """Where money lies, in words, that is not where it was asked for."""
    if mint is None:
        return [
            f"{lamports} lamports lie at its token account {address}"
            for address, lamports in holdings.strays.items()
        ]
    return [
        f"{one.token.amount} lie at {one.token.account}, which belongs to its token account {one.outer}"
        for one in holdings.nested
        if one.token.mint.address == mint and one.token.amount
    ]
