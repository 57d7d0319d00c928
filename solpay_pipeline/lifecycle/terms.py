"""The words everyone here uses: payments, their options, and the one-time wallets that take the money.

Values of the two enumerations are the peer's own (`django_solana_payments/choices.py`, 1.0.0); they are
stored in its columns and never extended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from solders.pubkey import Pubkey

LAMPORTS_PER_SOL = 10**9
SOL_DECIMALS = 9


class PaymentStatus(StrEnum):
    """`status` of a payment row."""

    INITIATED = "initiated"
    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"
    EXPIRED = "expired"


ACCEPTED = frozenset({PaymentStatus.PROCESSED, PaymentStatus.CONFIRMED, PaymentStatus.FINALIZED})


class WalletState(StrEnum):
    """`state` of a one-time wallet row."""

    CREATED = "created"
    RECEIVED_FUNDS = "received_funds"
    PROCESSING_PAYMENT = "processing_payment"
    PROCESSING_FUNDS = "processing_funds"
    SENT_FUNDS = "sent_funds"
    FAILED_TO_SEND_FUNDS = "failed_to_send_funds"
    PAYMENT_EXPIRED = "payment_expired"
    CLOSED = "payment_expired_and_wallet_closed"


SWEEPABLE = frozenset(
    {
        WalletState.PROCESSING_PAYMENT,
        WalletState.PROCESSING_FUNDS,
        WalletState.FAILED_TO_SEND_FUNDS,
    }
)


class Commitment(StrEnum):
    """How settled a block must be before we believe it (solana.com/docs/rpc#configuring-state-commitment)."""

    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"

    def reached_by(self, other: "Commitment") -> bool:
        """Tell whether something seen at `other` is at least as settled as this level."""
        order = list(Commitment)
        return order.index(other) >= order.index(self)


@dataclass(frozen=True, slots=True)
class PaymentOption:
    """One way to pay: a token and its price. `mint` is None for native SOL. `price` is in whole tokens."""

    token_id: int
    mint: Pubkey | None
    price: Decimal

    def base_units(self, decimals: int) -> int:
        """The price in base units of a mint with `decimals`, rounded up to what can be paid at all.

        The peer accepts when `balance >= price` in whole tokens (its `validate_transfer_amount`), which for
        a price finer than the mint means the next base unit above.
        """
        return int((self.price.scaleb(decimals)).to_integral_value(rounding=ROUND_CEILING))


# Offers are seen by our clock and paid by the chain's; block times lag behind it by seconds, at worst a minute or two.
CLOCK_SLACK = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of what was asked of a customer: the prices and until when they could be paid.

    `seen_at` is when it was first seen, None for what the payment's row says now. `since` is when the version before it
    was first seen, None for the first one: it cannot have stood earlier. `until` is when another was first seen in its
    place, None for the last: it cannot have stood later.
    """

    options: tuple[PaymentOption, ...]
    expires_at: datetime
    seen_at: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """Until when it could be paid."""
        return self.expires_at if self.until is None else min(self.expires_at, self.until + CLOCK_SLACK)

    def may_have_stood(self, moment: datetime) -> bool:
        """Tell whether this version may have been the one that a customer saw then."""
        return (self.since is None or self.since <= moment + CLOCK_SLACK) and (
            self.until is None or moment - CLOCK_SLACK <= self.until
        )


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment row, with its options. Times are aware, UTC. `earlier` are versions of its offer that were seen before
    the shop changed the row, oldest first.
    """

    id: int
    address: Pubkey
    status: PaymentStatus
    created_at: datetime
    expires_at: datetime
    options: tuple[PaymentOption, ...]
    paid_token_id: int | None = None
    signature: str | None = None
    earlier: tuple[Offer, ...] = ()

    @property
    def offers(self) -> tuple[Offer, ...]:
        """Every version of the offer, that of the row last."""
        now = Offer(self.options, self.expires_at, since=self.earlier[-1].seen_at if self.earlier else None)
        return (*self.earlier, now)

    @property
    def mints(self) -> tuple[Pubkey, ...]:
        """The mints that any version of the offer named, native SOL left out."""
        options = (*self.options, *(option for offer in self.earlier for option in offer.options))
        return tuple(dict.fromkeys(option.mint for option in options if option.mint is not None))


@dataclass(frozen=True, slots=True)
class Wallet:
    """A one-time wallet row with the payment that points at it; None where that row is gone."""

    id: int
    state: WalletState
    payment: Payment | None
