"""What a token account was opened with, as far as its lamports alone can tell.

An account is opened with (128 + size) times the cluster's rate, lamports a byte. The rate has changed and will change
again; whoever opened an account at an older one has paid that. What is there beyond it somebody has sent: it is funds.
"""

from typing import Final

OVERHEAD_BYTES: Final = 128
"""Counted for every account besides its content (`ACCOUNT_STORAGE_OVERHEAD` of the runtime)."""

RATES: Final = (6_960, 6_333, 5_080, 2_575, 1_322, 696)
"""Lamports a byte that mainnet has had or has announced (docs/solana.md#rent). Where none fits, its opening tells."""


def is_usual(lamports: int, size: int) -> bool:
    """Whether an account of `size` bytes holds just what it was opened with, at one of the known rates."""
    return any(lamports == (OVERHEAD_BYTES + size) * rate for rate in RATES)
