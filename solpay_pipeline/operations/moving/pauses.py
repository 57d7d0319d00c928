"""How long a wallet rests whose transactions fail on chain: each failure costs its fee, and the next may too."""

from datetime import datetime, timedelta
from typing import Final

from solpay_pipeline.ledger.transactions import FailuresInARow

BORNE = 2
"""Failures before the first pause: one with others in a shared transaction, one alone."""

FIRST_PAUSE: Final = timedelta(hours=1)
LONGEST_PAUSE: Final = timedelta(days=7)
"""It doubles in between: what an hour has not mended is seldom mended by the next."""


def rests_until(failures: FailuresInARow) -> datetime | None:
    """Until when a wallet is left alone, None where it need not be."""
    beyond = failures.count - BORNE
    if beyond < 0:
        return None
    # Beyond so many doublings it is the longest pause anyway.
    doubled: int = 1 << min(beyond, 16)
    return failures.last_at + min(LONGEST_PAUSE, FIRST_PAUSE * doubled)
