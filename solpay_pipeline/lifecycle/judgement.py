"""Was a payment paid: in full, in time, in one of its tokens?

Only money that came in counts, whatever became of it later; several transfers of one token add up, two
tokens do not. The moment of payment is the block time of the transfer that completed it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.evidence.grounds import Evidence
from solpay_pipeline.lifecycle.evidence.statement import Entry, EntryClass
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, Offer, Payment, PaymentOption


class Standing(StrEnum):
    """What the history of a wallet says about its payment."""

    UNPAID = "unpaid"
    SHORT = "short"
    PAID = "paid"
    LATE = "late"
    UNDATED = "undated"


MOST_PERCENT: Final = 5
"""Of a price no tolerance forgives more, whatever a setting says."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much less than the price is accepted: `percent` of it, or `base_units` of one asset, a mint or None for SOL.

    An amount means nothing without its asset: a million is one USDC or a thousandth of a SOL.
    """

    percent: Decimal = Decimal(0)
    base_units: int = 0
    asset: Pubkey | None = None

    def __str__(self) -> str:
        if not self.base_units:
            return f"{self.percent}%" if self.percent else "0"
        return f"{'SOL' if self.asset is None else self.asset}:{self.base_units}"

    def least(self, price: int, asset: Pubkey | None) -> int:
        """The smallest amount, in base units, that pays `price` in an asset. Never below one base unit."""
        forgiven = max(_share(price, self.percent), self.base_units if asset == self.asset else 0)
        return max(1, price - min(forgiven, _share(price, Decimal(MOST_PERCENT))))


def _share(price: int, percent: Decimal) -> int:
    return int((price * percent / 100).to_integral_value(rounding=ROUND_FLOOR))


EXACT = Tolerance()


@dataclass(frozen=True, slots=True)
class Judgement:
    """`option`, `signature` and `paid_at` name the completing transfer where there is one.

    `received` is what ever came in, by mint (None for SOL); `surplus` what of it no price asked for. `evidence` is what
    it all rests on.
    """

    standing: Standing
    option: PaymentOption | None = None
    signature: str | None = None
    paid_at: datetime | None = None
    received: Mapping[Pubkey | None, int] = field(default_factory=dict)
    surplus: Mapping[Pubkey | None, int] = field(default_factory=dict)
    evidence: Evidence = Evidence.WHOLE

    @property
    def is_paid(self) -> bool:
        """In full and in time."""
        return self.standing is Standing.PAID


def covers(
    payment: Payment,
    balances: Mapping[Pubkey | None, int],
    decimals: Mapping[Pubkey, int],
    tolerance: Tolerance = EXACT,
) -> bool:
    """Tell whether `balances` alone (base units by mint) would pay one of the payment's options."""
    return bool(covered(payment, balances, decimals, tolerance))


@dataclass(frozen=True, slots=True)
class Due:
    """What pays one price: at least `amount` base units of `mint` (None for SOL), there by `until`."""

    mint: Pubkey | None
    amount: int
    until: datetime


def covered(
    payment: Payment,
    balances: Mapping[Pubkey | None, int],
    decimals: Mapping[Pubkey, int],
    tolerance: Tolerance = EXACT,
) -> list[Due]:
    """The prices that `balances` alone would pay, of every version of the offer."""
    return [
        Due(option.mint, least, offer.ends_at)
        for offer in payment.offers
        for option, price in _prices(offer, decimals)
        if balances.get(option.mint, 0) >= (least := tolerance.least(price, option.mint))
    ]


def judge(
    payment: Payment,
    entries: Iterable[Entry],
    decimals: Mapping[Pubkey, int],
    tolerance: Tolerance = EXACT,
) -> Judgement:
    """Judge a payment by the entries of its wallet's statement, in any order of slots.

    Lamports pay a price in SOL where they came to the wallet itself; at the address of a token account nobody asked for
    them. `decimals` holds the mints that could be read; an option of another mint, or of one that was made anew with
    other decimals, cannot be paid. Any version of the offer that may have stood when the money came can be met. Where
    several options are complete the one that was complete first, and in time, wins.
    """
    came_in = [
        one
        for one in entries
        if one.entry_class is EntryClass.CAME_IN and (one.asset is not None or one.account == payment.address)
    ]
    incoming = sorted(came_in, key=lambda one: one.slot)
    received: dict[Pubkey | None, int] = {}
    for one in incoming:
        received[one.asset] = received.get(one.asset, 0) + one.amount
    if not received:
        return Judgement(Standing.UNPAID)

    completions = [
        (completing, offer, option, price)
        for offer in payment.offers
        for option, price in _prices(offer, decimals)
        if (completing := _completing(incoming, option, tolerance.least(price, option.mint))) is not None
        and (completing.block_time is None or offer.may_have_stood(completing.block_time))
    ]
    if not completions:
        return Judgement(_short_or_late(payment, incoming), received=received)

    completing, offer, option, price = min(
        completions, key=lambda found: (_standing(found[1], found[0]), found[0].slot)
    )
    return Judgement(
        standing=_BY_RANK[_standing(offer, completing)],
        option=option,
        signature=completing.signature,
        paid_at=completing.block_time,
        received=received,
        surplus=beyond(received, option.mint, price),
    )


def remade_mints(payment: Payment, decimals: Mapping[Pubkey, int]) -> dict[Pubkey, tuple[int, int]]:
    """Mints whose decimals are others than when an offer was first seen: those then, and those now.

    Nobody knows how much a customer was asked for in units of a mint that was made anew: its option cannot be paid.
    """
    return {
        option.mint: (option.seen_decimals, decimals[option.mint])
        for offer in payment.offers
        for option in offer.options
        if option.mint is not None
        and option.seen_decimals is not None
        and option.seen_decimals != decimals.get(option.mint, option.seen_decimals)
    }


def beyond(
    received: Mapping[Pubkey | None, int], mint: Pubkey | None, price: int
) -> dict[Pubkey | None, int]:
    """What of `received` is more than a price in one mint; all are base units."""
    left = {each: amount - (price if each == mint else 0) for each, amount in received.items()}
    return {each: amount for each, amount in left.items() if amount > 0}


_BY_RANK = (Standing.PAID, Standing.UNDATED, Standing.LATE)


def _prices(offer: Offer, decimals: Mapping[Pubkey, int]) -> list[tuple[PaymentOption, int]]:
    prices = []
    for option in offer.options:
        places = SOL_DECIMALS if option.mint is None else decimals.get(option.mint)
        if places is not None and option.seen_decimals in (None, places):
            prices.append((option, option.base_units(places)))
    return prices


def _completing(incoming: list[Entry], option: PaymentOption, least: int) -> Entry | None:
    total = 0
    for one in incoming:
        if one.asset == option.mint:
            total += one.amount
            if total >= least:
                return one
    return None


def _standing(offer: Offer, completing: Entry) -> int:
    if completing.block_time is None:
        return _BY_RANK.index(Standing.UNDATED)
    in_time = completing.block_time <= offer.expires_at
    return _BY_RANK.index(Standing.PAID if in_time else Standing.LATE)


def _short_or_late(payment: Payment, incoming: list[Entry]) -> Standing:
    first = incoming[0].block_time
    over = max(offer.expires_at for offer in payment.offers)
    return Standing.LATE if first is not None and first > over else Standing.SHORT
