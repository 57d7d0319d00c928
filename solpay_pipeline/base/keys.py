"""Keys and their addresses."""

from typing import Final

from solders.keypair import Keypair
from solders.pubkey import Pubkey

_SEED_BYTES: Final = 32


def address_of(keypair: Keypair) -> Pubkey:
    """The address of a keypair, which is its second half; `pubkey()` multiplies on the curve to find it again."""
    return Pubkey.from_bytes(bytes(keypair)[_SEED_BYTES:])
