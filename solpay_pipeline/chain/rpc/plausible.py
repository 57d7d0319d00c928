"""Numbers that cannot be true. A node that names one is not believed, and the next is asked.

A price that is too low makes the limits of spending blind; one that is too high stops all work. Some providers have
answered getBlockHeight with the slot, on mainnet 22 million higher: every transaction in flight looked expired and was
paid again (EdgeApp/edge-currency-accountbased#1107, lifinance/sdk#448).
"""

from typing import Final

from solpay_pipeline.chain.rpc.errors import MalformedAnswer
from solpay_pipeline.lifecycle.rent import OVERHEAD_BYTES, RATES

BASE_FEE: Final = 5_000
"""Lamports a signature, since the first block (docs/solana.md#sending)."""

_TIMES: Final = 20
"""A price may rise or fall by this before it is not believed: more than any change that was announced."""


BLOCKHASH_LIFE: Final = 151
"""Blocks a blockhash may live at most (solana.com/docs/advanced/confirmation)."""

MAINNET_SKIPPED_SLOTS: Final = 10_000_000
"""On mainnet the block height is about 22 million below the slot, and the distance only grows."""


def fee(lamports: int) -> int:
    """What a message of one signature and no priority costs. Raises MalformedAnswer."""
    if not BASE_FEE // _TIMES <= lamports <= BASE_FEE * _TIMES:
        raise MalformedAnswer(f"a fee of {lamports} lamports for a signature cannot be")
    return lamports


def rent(lamports: int, size: int) -> int:
    """What keeps an account of `size` bytes. Raises MalformedAnswer."""
    per_byte = lamports // (OVERHEAD_BYTES + size)
    # Rent is to fall step by step; that there is none at all was never announced.
    if not 1 <= per_byte <= max(RATES) * _TIMES:
        raise MalformedAnswer(f"a rent of {lamports} lamports for {size} bytes cannot be")
    return lamports


def contradiction(*, last_valid: int, height: int, slot: int, is_mainnet: bool) -> str | None:
    """Why one node's numbers, read at one commitment, cannot all be right; None where they can be.

    `last_valid` belongs to the newest blockhash and was read before `height`, so their distance can only have
    shrunk. `slot` may have been read before or after, a blockhash's life apart at the most.
    """
    if not 0 < last_valid - height <= BLOCKHASH_LIFE:
        return f"block height {height} does not fit the last valid height {last_valid}"
    skipped = MAINNET_SKIPPED_SLOTS if is_mainnet else 0
    if height + skipped > slot + BLOCKHASH_LIFE:
        return f"block height {height} is too close to slot {slot}"
    return None
