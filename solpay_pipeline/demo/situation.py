"""What a situation of a payment is: how it comes about, how often, and what must have become of it in the end."""

from dataclasses import dataclass
from enum import StrEnum

from solpay_pipeline.demo.deeds import Deed
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState

USUAL = ("SOL", "USDC", "EURC")
"""What most payments can be paid in: native, the classic token program and Token-2022."""


class Age(StrEnum):
    """When a payment was made, as seen by the operations."""

    ANCIENT = "ancient"
    """More than the watched week ago."""
    OVER = "over"
    """Its time is over since an hour or two."""
    LIVE = "live"
    """Its time still runs."""


@dataclass(frozen=True, slots=True)
class Situation:
    """`deeds` are done while the payment's time runs, `later` after it. `status` is None where the payment itself is
    gone. `codes` are all the findings that must stand in the end, and no others. `is_left_alone` excuses money in a
    wallet that is done with.
    """

    name: str
    sentence: str
    count: int
    age: Age
    deeds: tuple[Deed, ...]
    status: PaymentStatus | None
    state: WalletState
    codes: frozenset[FindingCode] = frozenset()
    later: tuple[Deed, ...] = ()
    symbols: tuple[str, ...] = USUAL
    with_accounts: bool = True
    is_left_alone: bool = False
