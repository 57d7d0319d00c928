"""What an operator may ask of an operation."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import inf

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.lifecycle.judgement import EXACT, Tolerance

# More accounts than any provider answers quickly, and more rows than a short transaction should read.
MOST_WALLETS_A_PAGE = 5_000

WATCH_DAYS = 7
"""Days after expiry for which wallets are still looked at, where nothing else is asked for."""


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
    """Read `1000` as base units and `0.5%` as a share of the price. Raises `BadOption`."""
    stripped = text.strip()
    try:
        if stripped.endswith("%"):
            tolerance = Tolerance(percent=Decimal(stripped[:-1]))
        else:
            tolerance = Tolerance(base_units=int(stripped))
    except (InvalidOperation, ValueError):
        raise BadOption(f"underpayment_tolerance: {text!r} is neither base units nor a percentage") from None
    if tolerance.base_units < 0 or not tolerance.percent.is_finite() or not 0 <= tolerance.percent < 100:
        raise BadOption(f"underpayment_tolerance: {text!r} is out of range")
    return tolerance
