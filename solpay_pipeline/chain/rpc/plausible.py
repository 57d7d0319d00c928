"""Prices that no cluster takes. A node that names one is not believed, and the next is asked.

A price that is too low makes the limits of spending blind; one that is too high stops all work.
"""

from typing import Final

from solpay_pipeline.chain.rpc.errors import MalformedAnswer
from solpay_pipeline.lifecycle.rent import OVERHEAD_BYTES, RATES

BASE_FEE: Final = 5_000
"""Lamports a signature, since the first block (docs/solana.md#sending)."""

_TIMES: Final = 20
"""A price may rise or fall by this before it is not believed: more than any change that was announced."""


def fee(lamports: int) -> int:
    """What a message of one signature and no priority costs. Raises MalformedAnswer."""
    if not BASE_FEE // _TIMES <= lamports <= BASE_FEE * _TIMES:
        raise MalformedAnswer(f"a fee of {lamports} lamports for a signature cannot be")
    return lamports


def rent(lamports: int, size: int) -> int:
    """What keeps an account of `size` bytes. Raises MalformedAnswer."""
    per_byte = lamports // (OVERHEAD_BYTES + size)
    if not min(RATES) // _TIMES <= per_byte <= max(RATES) * _TIMES:
        raise MalformedAnswer(f"a rent of {lamports} lamports for {size} bytes cannot be")
    return lamports
