"""Turns rows of the peer's tables into `lifecycle.terms`, or into the reason why that is not possible."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import AboutOneRow
from solpay_pipeline.lifecycle.terms import Payment, PaymentOption, PaymentStatus, Wallet, WalletState

NATIVE = "NATIVE"
SPL = "SPL"
"""`token_type` of a token (the peer's choices.py)."""


class WalletRow(NamedTuple):
    """A wallet with its payment, as read; where only one of the two exists, the other's values are None.

    A plain tuple: a row of SQLAlchemy takes two microseconds for each value that is read by name.
    """

    wallet_id: int | None
    state: str | None
    payment_id: int | None
    payment_address: str | None
    status: str | None
    created: datetime | None
    expiration_date: datetime | None
    paid_token_id: int | None
    signature: object


class PriceRow(NamedTuple):
    """A price of a payment with its token, whose values are None where there is no such token."""

    payment_id: int
    price_id: int
    amount_in_crypto: Decimal | None
    token_id: int
    token_type: str | None
    mint_address: str | None


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that cannot be understood, in place of its wallet; `reason` is for people."""

    wallet_id: int | None
    payment_id: int | None
    reason: str


class _NotUnderstood(AboutOneRow):
    """Carries the reason from the wrong value to its row."""


def wallet_of(row: WalletRow, prices: Sequence[PriceRow]) -> Wallet | UnreadableRow:
    """The wallet of a row of wallet and payment columns, with the price rows of its payment."""
    if row.wallet_id is None:
        return UnreadableRow(None, row.payment_id, f"payment {row.payment_id} has no wallet")
    try:
        state = _state(row.state)
        payment = None if row.payment_id is None else _payment(row.payment_id, row, prices)
    except _NotUnderstood as reason:
        return UnreadableRow(row.wallet_id, row.payment_id, str(reason))
    return Wallet(id=row.wallet_id, state=state, payment=payment)


def _payment(payment_id: int, row: WalletRow, prices: Sequence[PriceRow]) -> Payment:
    if row.created is None or row.expiration_date is None:
        raise _NotUnderstood(f"payment {payment_id} has a time that cannot be read")
    if not prices:
        raise _NotUnderstood(f"payment {payment_id} has no price")
    if not isinstance(row.signature, str | None):
        # SQLite keeps bytes in a text column; an event could not hold them.
        raise _NotUnderstood(f"payment {payment_id} has a signature that is not text")
    return Payment(
        id=payment_id,
        address=_address(row.payment_address, f"payment {payment_id}"),
        status=_status(row.status),
        created_at=row.created,
        expires_at=row.expiration_date,
        options=tuple(_option(price) for price in _first_of_each_token(prices)),
        paid_token_id=row.paid_token_id,
        signature=row.signature or None,
    )


def _first_of_each_token(prices: Sequence[PriceRow]) -> list[PriceRow]:
    """The peer takes the first price of a token by id, no other (its `VerifyTransactionService`)."""
    first: dict[int, PriceRow] = {}
    for price in prices:
        first.setdefault(price.token_id, price)
    return list(first.values())


def _option(price: PriceRow) -> PaymentOption:
    amount = price.amount_in_crypto
    if amount is None or not amount.is_finite() or amount <= 0:
        raise _NotUnderstood(f"price {price.price_id} is {amount}, not an amount above zero")
    return PaymentOption(token_id=price.token_id, mint=_mint(price), price=amount)


def _mint(price: PriceRow) -> Pubkey | None:
    name = f"token {price.token_id}"
    if price.token_type is None:
        raise _NotUnderstood(f"{name} does not exist")
    if price.token_type not in (NATIVE, SPL):
        raise _NotUnderstood(f"{name} is of the unknown type {price.token_type!r}")
    if (price.token_type == SPL) != bool(price.mint_address):
        raise _NotUnderstood(f"{name} is of type {price.token_type}, which does not fit its mint address")
    return _address(price.mint_address, name) if price.token_type == SPL else None


def _address(text: object, name: str) -> Pubkey:
    try:
        return Pubkey.from_string(str(text))
    except ValueError:
        pass
    raise _NotUnderstood(f"{name} has an invalid address: {str(text)[:60]!r}")


def _state(text: object) -> WalletState:
    try:
        return WalletState(str(text))
    except ValueError:
        pass
    raise _NotUnderstood(f"unknown wallet state {str(text)[:50]!r}")


def _status(text: object) -> PaymentStatus:
    try:
        return PaymentStatus(str(text))
    except ValueError:
        pass
    raise _NotUnderstood(f"unknown payment status {str(text)[:50]!r}")
