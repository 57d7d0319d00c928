"""Where the recheck sensor goes on, and when: the text that Dagster keeps for it between two ticks.

A text that is none, which somebody set in the UI, begins anew at the first payment: looking again costs only calls.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from solpay_pipeline.operations.balance_scan import ScanResult

# Providers block whoever keeps knocking for some minutes.
_LONGEST_PAUSE = 900.0


@dataclass(frozen=True, slots=True)
class Cursor:
    """`after` is the last payment looked at; `refusals` counts rate limits in a row, `not_before` ends their pause."""

    after: int = 0
    refusals: int = 0
    not_before: datetime | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read what `as_text` wrote, or a payment id alone, as an operator may set it."""
        try:
            kept = json.loads(text or "0")
            if isinstance(kept, int):
                return cls(after=kept)
            not_before = kept["not_before"]
            return cls(
                after=int(kept["after"]),
                refusals=int(kept["refusals"]),
                not_before=None if not_before is None else datetime.fromisoformat(not_before),
            )
        except (ValueError, TypeError, KeyError):
            return cls()

    def as_text(self) -> str:
        """For Dagster to keep."""
        not_before = None if self.not_before is None else self.not_before.isoformat()
        return json.dumps({"after": self.after, "refusals": self.refusals, "not_before": not_before})

    def moved_to(self, seen: ScanResult, now: datetime, interval: int) -> "Cursor":
        """Behind what was seen; after a rate limit with a pause that doubles each time, or as long as asked."""
        if not seen.is_rate_limited:
            return Cursor(seen.after)
        refusals = self.refusals + 1
        pause = max(seen.retry_after or 0.0, float(interval * 2**refusals))
        return Cursor(seen.after, refusals, now + timedelta(seconds=min(pause, _LONGEST_PAUSE)))
