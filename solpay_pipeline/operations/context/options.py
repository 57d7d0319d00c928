"""What an operator may ask of an operation."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import inf
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.lifecycle.judgement import EXACT, MOST_PERCENT, Tolerance

# More accounts than any provider answers quickly, and more rows than a short transaction should read.
MOST_WALLETS_A_PAGE = 5_000

WATCH_DAYS = 7
"""Days after expiry for which wallets are still looked at, where nothing else is asked for."""


TOLERANCE_FORMS: Final = "`0.5%`, `SOL:1000` (lamports), or `MINT:1000` (base units of a mint's address)"


class BadOption(NeedsOperator, ValueError):
    """An option that cannot be meant; the text names it."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of all operations; the configs in `defs/ops.py` say which operation is asked for which.

    `sleep`, `max_runtime_seconds` and `patience_seconds` (how long one broadcast waits for the chain) are seconds;
    `page_size` is wallets read and planned together; `created_from` and `created_until` bound the creation of the
    payments that recheck takes (aware, UTC, the end excluded). Raises `BadOption`.
    """

    sleep: float = 0.0
    dry_run: bool = False
    payment_ids: frozenset[int] | None = None
    max_runtime_seconds: float | None = None
    limit: int | None = 200
    forward_funds: bool = True
    close_wallets: bool = True
    check_history: bool = True
    sweep_held_funds: bool = False
    discover_accounts: bool = False
    watch_days: int = WATCH_DAYS
    tolerance: Tolerance = EXACT
    created_from: datetime | None = None
    created_until: datetime | None = None
    page_size: int = 1_000
    patience_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.sleep < inf:
            raise BadOption(f"sleep: {self.sleep} seconds is no length of time")
        if self.max_runtime_seconds is not None and not 0 < self.max_runtime_seconds < inf:
            raise BadOption(f"max_runtime_seconds: {self.max_runtime_seconds} leaves no time to work")
        if self.limit is not None and self.limit < 1:
            raise BadOption(f"limit: {self.limit} payments is none")
        if self.watch_days < 0:
            raise BadOption(f"watch_days: {self.watch_days} days is less than none")
        if not 1 <= self.page_size <= MOST_WALLETS_A_PAGE:
            raise BadOption(f"page_size: {self.page_size} is not between 1 and {MOST_WALLETS_A_PAGE}")


def parse_tolerance(text: str) -> Tolerance:
    """Read `0.5%` as a share of the price, `SOL:1000` or `MINT:1000` as base units of one asset, `0` as none.

    Raises `BadOption`.
    """
    try:
        tolerance = _tolerance(text.strip())
    except (InvalidOperation, ValueError):
        raise BadOption(f"underpayment_tolerance: {text!r} is not written {TOLERANCE_FORMS}") from None
    if (
        tolerance.base_units < 0
        or not tolerance.percent.is_finite()
        or not 0 <= tolerance.percent <= MOST_PERCENT
    ):
        raise BadOption(
            f"underpayment_tolerance: {text!r} is out of range: at most {MOST_PERCENT}% is forgiven"
        )
    return tolerance


def _tolerance(text: str) -> Tolerance:
    if text.endswith("%"):
        return Tolerance(percent=Decimal(text[:-1]))
    asset, colon, amount = text.rpartition(":")
    if not colon:
        if int(text) != 0:
            raise ValueError("base units of what?")
        return EXACT
    return Tolerance(base_units=int(amount), asset=None if asset == "SOL" else Pubkey.from_string(asset))
