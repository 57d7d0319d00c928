"""Program ids and the addresses that follow from them.

An associated token account (ATA) is a function of owner, token program and mint: the program is part of the
address, so it is read from the mint's own account and never assumed.
"""

from functools import lru_cache
from typing import Final

from solders.pubkey import Pubkey
from spl.memo.constants import MEMO_PROGRAM_ID
from spl.token.constants import (
    ASSOCIATED_TOKEN_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    WRAPPED_SOL_MINT,
)

SYSTEM_PROGRAM_ID: Final = Pubkey.default()
COMPUTE_BUDGET_PROGRAM_ID: Final = Pubkey.from_string("ComputeBudget111111111111111111111111111111")

TOKEN_2022_NATIVE_MINT: Final = Pubkey.from_string("9pan9bMn5HatX4EJdBwg9VgCz7Uz5HL8N1m5D3NdXej9")
"""Wrapped SOL of Token-2022 (solana-program/token-2022 `interface/src/native_mint.rs`)."""

TOKEN_PROGRAMS: Final = (TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID)
NATIVE_MINTS: Final = frozenset({WRAPPED_SOL_MINT, TOKEN_2022_NATIVE_MINT})

__all__ = [
    "ASSOCIATED_TOKEN_PROGRAM_ID",
    "COMPUTE_BUDGET_PROGRAM_ID",
    "MEMO_PROGRAM_ID",
    "NATIVE_MINTS",
    "SYSTEM_PROGRAM_ID",
    "TOKEN_2022_NATIVE_MINT",
    "TOKEN_2022_PROGRAM_ID",
    "TOKEN_PROGRAMS",
    "TOKEN_PROGRAM_ID",
    "WRAPPED_SOL_MINT",
    "associated_token_address",
    "can_sign",
]


# A run asks for the same address when it plans, packs and checks; 16,384 entries are about 4 MB.
@lru_cache(maxsize=16_384)
def associated_token_address(owner: Pubkey, mint: Pubkey, program: Pubkey) -> Pubkey:
    """The ATA of `owner` for `mint`, a mint of the token program `program`.

    Seeds are [owner, token program, mint] (solana-program/associated-token-account `interface/src/address.rs`).
    """
    address, _bump = Pubkey.find_program_address(
        [bytes(owner), bytes(program), bytes(mint)], ASSOCIATED_TOKEN_PROGRAM_ID
    )
    return address


def can_sign(address: Pubkey) -> bool:
    """Whether `address` can belong to a keypair; the addresses that programs derive are off the curve.

    A receiver off the curve is a vault of some program, and can take money. But an ATA that was entered as the receiver
    by mistake looks the same, and what is sent to the ATA of an ATA is recovered only by RecoverNested.
    """
    return address.is_on_curve()
