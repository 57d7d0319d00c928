"""Block heights, and how to recognise a node that answers something else.

Some providers have answered getBlockHeight with the slot, on mainnet 22 million higher: every transaction in
flight looked expired and was paid again (EdgeApp/edge-currency-accountbased#1107, lifinance/sdk#448).
"""

BLOCKHASH_LIFE = 151
"""Blocks a blockhash may live at most (solana.com/docs/advanced/confirmation)."""

MAINNET_SKIPPED_SLOTS = 10_000_000
"""On mainnet the block height is about 22 million below the slot, and the distance only grows."""


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
