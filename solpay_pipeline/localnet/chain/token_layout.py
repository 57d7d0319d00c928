"""The fixed part of SPL Token and Token-2022 accounts and mints, read from the bytes, with Token-2022's TLV tail.

Layouts: solana-program/token `interface/src/state.rs`; solana-program/token-2022
`interface/src/extension/mod.rs` (the account type at byte 165, then type u16, length u16, value).
"""

import struct
from dataclasses import dataclass

from solders.pubkey import Pubkey

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ATA_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})

ACCOUNT_SIZE = 165
MINT_SIZE = 82
_ACCOUNT_TYPE_MINT = 1
_ACCOUNT_TYPE_ACCOUNT = 2


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A token account; amounts are base units, `native_reserve` lamports (wrapped SOL only)."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    delegate: Pubkey | None
    state: int
    native_reserve: int | None
    delegated_amount: int
    close_authority: Pubkey | None
    extensions: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class MintState:
    """A mint; `supply` is base units."""

    mint_authority: Pubkey | None
    supply: int
    decimals: int
    initialized: bool
    freeze_authority: Pubkey | None
    extensions: tuple[tuple[int, bytes], ...]


def read_token_account(program: Pubkey, raw: bytes) -> TokenAccount | None:
    """The token account in `raw`, None where there is none (a mint, uninitialized, another program's)."""
    if (
        program not in TOKEN_PROGRAMS
        or not _has_type(raw, ACCOUNT_SIZE, _ACCOUNT_TYPE_ACCOUNT)
        or raw[108] == 0
    ):
        return None
    (amount,) = struct.unpack_from("<Q", raw, 64)
    (delegated,) = struct.unpack_from("<Q", raw, 121)
    return TokenAccount(
        mint=Pubkey(raw[0:32]),
        owner=Pubkey(raw[32:64]),
        amount=amount,
        delegate=_option(raw, 72),
        state=raw[108],
        native_reserve=struct.unpack_from("<Q", raw, 113)[0] if raw[109] else None,
        delegated_amount=delegated,
        close_authority=_option(raw, 129),
        extensions=_extensions(raw),
    )


def read_mint(program: Pubkey, raw: bytes) -> MintState | None:
    """The mint in `raw`, None where there is none."""
    if program not in TOKEN_PROGRAMS or not _has_type(raw, MINT_SIZE, _ACCOUNT_TYPE_MINT) or raw[45] == 0:
        return None
    (supply,) = struct.unpack_from("<Q", raw, 36)
    return MintState(_option(raw, 0), supply, raw[44], True, _option(raw, 46), _extensions(raw))


def ata_address(owner: Pubkey, mint: Pubkey, program: Pubkey) -> Pubkey:
    """The associated token account: the token program is one of its seeds."""
    return Pubkey.find_program_address([bytes(owner), bytes(program), bytes(mint)], ATA_PROGRAM)[0]


def native_mint_bytes() -> bytes:
    """The wrapped SOL mint as it is on every cluster: 9 decimals, no authorities, supply 0."""
    return struct.pack("<I32sQBBI32s", 0, bytes(32), 0, 9, 1, 0, bytes(32))


def _has_type(raw: bytes, bare_size: int, account_type: int) -> bool:
    if len(raw) == bare_size:
        return True
    # A Token-2022 mint with extensions is padded to 165 bytes. 355 bytes are a multisig, which has no account type.
    return len(raw) > ACCOUNT_SIZE and len(raw) != 355 and raw[ACCOUNT_SIZE] == account_type


def _option(raw: bytes, offset: int) -> Pubkey | None:
    return Pubkey(raw[offset + 4 : offset + 36]) if raw[offset] else None


def _extensions(raw: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    position = ACCOUNT_SIZE + 1
    while position + 4 <= len(raw):
        kind, length = struct.unpack_from("<HH", raw, position)
        if kind == 0:
            break
        found.append((kind, raw[position + 4 : position + 4 + length]))
        position += 4 + length
    return tuple(found)
