"""Reads the extensions that Token-2022 appends to mints and token accounts.

After the 165 bytes of a classic account (a mint is padded to as many) comes one byte for the account's type, then
entries of type (u16 LE), length (u16 LE) and value (solana-program/token-2022 `interface/src/extension/mod.rs`).
Strangers write these bytes: the only error that they can cause is `UnreadableAccount`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.errors import Permanent

BASE_LENGTH: Final = 165
ENTRIES_OFFSET: Final = BASE_LENGTH + 1
ENTRY_HEADER_LENGTH: Final = 4
MULTISIG_LENGTH: Final = 355
"""Length of a multisig account; the program pads a token account of the same length, to distinguish them."""

ZERO_CIPHERTEXT: Final = bytes(64)
"""An empty ElGamal balance, as the program checks for it when it closes (`EncryptedBalance::zeroed`)."""


class UnreadableAccount(Permanent):
    """An account's bytes are not those of the mint or token account that they were taken for."""

    def __init__(self, address: Pubkey, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason


class AccountType(IntEnum):
    """The byte after the base state."""

    MINT = 1
    ACCOUNT = 2


class Extension(IntEnum):
    """Every extension of Token-2022 by its number on chain (`interface/src/extension/mod.rs`, 3.0)."""

    TRANSFER_FEE_CONFIG = 1
    TRANSFER_FEE_AMOUNT = 2
    MINT_CLOSE_AUTHORITY = 3
    CONFIDENTIAL_TRANSFER_MINT = 4
    CONFIDENTIAL_TRANSFER_ACCOUNT = 5
    DEFAULT_ACCOUNT_STATE = 6
    IMMUTABLE_OWNER = 7
    MEMO_TRANSFER = 8
    NON_TRANSFERABLE = 9
    INTEREST_BEARING_CONFIG = 10
    CPI_GUARD = 11
    PERMANENT_DELEGATE = 12
    NON_TRANSFERABLE_ACCOUNT = 13
    TRANSFER_HOOK = 14
    TRANSFER_HOOK_ACCOUNT = 15
    CONFIDENTIAL_TRANSFER_FEE_CONFIG = 16
    CONFIDENTIAL_TRANSFER_FEE_AMOUNT = 17
    METADATA_POINTER = 18
    TOKEN_METADATA = 19
    GROUP_POINTER = 20
    TOKEN_GROUP = 21
    GROUP_MEMBER_POINTER = 22
    TOKEN_GROUP_MEMBER = 23
    CONFIDENTIAL_MINT_BURN = 24
    SCALED_UI_AMOUNT = 25
    PAUSABLE = 26
    PAUSABLE_ACCOUNT = 27
    PERMISSIONED_BURN = 28


NAMES: Final = {extension.value: extension.name.lower() for extension in Extension}

# What a new token account of a mint must carry (`get_required_init_account_extensions`), in bytes of value.
ACCOUNT_BYTES_OF_MINT_EXTENSION: Final = {
    Extension.TRANSFER_FEE_CONFIG: {Extension.TRANSFER_FEE_AMOUNT: 8},
    Extension.NON_TRANSFERABLE: {Extension.NON_TRANSFERABLE_ACCOUNT: 0},
    Extension.TRANSFER_HOOK: {Extension.TRANSFER_HOOK_ACCOUNT: 1},
    Extension.PAUSABLE: {Extension.PAUSABLE_ACCOUNT: 0},
}


@dataclass(frozen=True, slots=True)
class MintExtensions:
    """The extensions of a mint; `names` lists all of them, known or not, in the order of the bytes."""

    names: tuple[str, ...] = ()
    has_transfer_fee: bool = False
    default_frozen: bool = False
    non_transferable: bool = False
    hook_program: Pubkey | None = None
    """The program that every transfer calls; None also where the extension names no program."""
    permanent_delegate: Pubkey | None = None
    paused: bool = False
    shown: str | None = None
    """How an amount is shown to people where it is not what moves, in words: times a multiplier, or with interest."""


@dataclass(frozen=True, slots=True)
class AccountExtensions:
    """The extensions of a token account; `names` as for a mint."""

    names: tuple[str, ...] = ()
    withheld: int = 0
    """Transfer fees kept in this account, base units; it cannot close before they are harvested."""
    immutable_owner: bool = False
    memo_required: bool = False
    cpi_guard: bool = False
    holds_confidential: bool = False
    """An encrypted balance, pending or available, that only its ElGamal key can move."""
    holds_confidential_fee: bool = False
    refuses_plain_credits: bool = False
    """Set to take confidential transfers only; a TransferChecked to it fails."""


def read_mint_extensions(address: Pubkey, content: bytes) -> MintExtensions:
    """Decode what follows the base state of a Token-2022 mint; nothing follows in a mint of 82 bytes.

    Raises `UnreadableAccount` where entries are cut short, doubled, or not as long as their type is.
    """
    entries = _entries(address, content, AccountType.MINT)
    return MintExtensions(
        names=tuple(_name(kind) for kind in entries),
        # Two authorities of 32 bytes, the withheld amount of 8, then two fees of 18.
        has_transfer_fee=_value(address, entries, Extension.TRANSFER_FEE_CONFIG, 108) is not None,
        default_frozen=_byte(address, entries, Extension.DEFAULT_ACCOUNT_STATE, 1) == 2,
        non_transferable=Extension.NON_TRANSFERABLE in entries,
        hook_program=_pubkey(address, entries, Extension.TRANSFER_HOOK, offset=32, length=64),
        permanent_delegate=_pubkey(address, entries, Extension.PERMANENT_DELEGATE, offset=0, length=32),
        paused=_byte(address, entries, Extension.PAUSABLE, 33, offset=32) != 0,
        shown=_shown(address, entries),
    )


def read_account_extensions(address: Pubkey, content: bytes) -> AccountExtensions:
    """Decode what follows the base state of a Token-2022 token account; raises as for mints."""
    entries = _entries(address, content, AccountType.ACCOUNT)
    fee = _value(address, entries, Extension.TRANSFER_FEE_AMOUNT, 8)
    confidential = _value(address, entries, Extension.CONFIDENTIAL_TRANSFER_ACCOUNT, 295)
    confidential_fee = _value(address, entries, Extension.CONFIDENTIAL_TRANSFER_FEE_AMOUNT, 64)
    return AccountExtensions(
        names=tuple(_name(kind) for kind in entries),
        withheld=0 if fee is None else int.from_bytes(fee, "little"),
        immutable_owner=Extension.IMMUTABLE_OWNER in entries,
        memo_required=_byte(address, entries, Extension.MEMO_TRANSFER, 1) != 0,
        cpi_guard=_byte(address, entries, Extension.CPI_GUARD, 1) != 0,
        # approved 1, ElGamal key 32, then pending low, pending high and available, 64 bytes each.
        holds_confidential=confidential is not None and confidential[33:225] != ZERO_CIPHERTEXT * 3,
        holds_confidential_fee=confidential_fee is not None and confidential_fee != ZERO_CIPHERTEXT,
        # decryptable balance 36 and allow_confidential_credits 1 lie between.
        refuses_plain_credits=confidential is not None and confidential[262] == 0,
    )


def associated_account_length(extensions: MintExtensions, *, token_2022: bool) -> int:
    """Bytes of a new ATA of a mint: 165 for a classic one, 170 for Token-2022, more by the mint's extensions.

    The ATA program adds ImmutableOwner to every account of Token-2022.
    """
    if not token_2022:
        return BASE_LENGTH
    values = {Extension.IMMUTABLE_OWNER: 0}
    for mint_extension, carried in ACCOUNT_BYTES_OF_MINT_EXTENSION.items():
        if NAMES[mint_extension] in extensions.names:
            values.update(carried)
    length = ENTRIES_OFFSET + sum(ENTRY_HEADER_LENGTH + size for size in values.values())
    return length + 2 if length == MULTISIG_LENGTH else length


def _entries(address: Pubkey, content: bytes, expected: AccountType) -> dict[int, bytes]:
    if len(content) <= BASE_LENGTH:
        return {}
    if len(content) == MULTISIG_LENGTH:
        raise UnreadableAccount(address, "as long as a multisig account")
    if content[BASE_LENGTH] != expected:
        raise UnreadableAccount(
            address,
            f"account type {content[BASE_LENGTH]} where {expected.name.lower()} ({expected}) was expected",
        )
    found: dict[int, bytes] = {}
    for kind, value in _walk(address, content):
        if kind in found:
            raise UnreadableAccount(address, f"{_name(kind)} appears twice")
        found[kind] = value
    return found


def _walk(address: Pubkey, content: bytes) -> Iterator[tuple[int, bytes]]:
    offset = ENTRIES_OFFSET
    # As the program does: until a type of 0, or until no whole type fits.
    while offset + 2 <= len(content):
        kind = int.from_bytes(content[offset : offset + 2], "little")
        if kind == 0:
            return
        start = offset + ENTRY_HEADER_LENGTH
        if start > len(content):
            raise UnreadableAccount(address, f"{_name(kind)} at byte {offset} has no length")
        end = start + int.from_bytes(content[offset + 2 : start], "little")
        if end > len(content):
            raise UnreadableAccount(
                address, f"{_name(kind)} at byte {offset} ends at {end} of {len(content)}"
            )
        yield kind, content[start:end]
        offset = end


def _shown(address: Pubkey, entries: dict[int, bytes]) -> str | None:
    # An authority of 32, a multiplier (f64), from when on another counts (i64), and that one (f64).
    scaled = _value(address, entries, Extension.SCALED_UI_AMOUNT, 56)
    if scaled is not None:
        now, since, then = struct.unpack("<dqd", scaled[32:])
        later = "" if now == then else f" (times {then:g} from the Unix time {since} on)"
        return f"times {now:g}{later}"
    # An authority of 32, the beginning (i64), a rate (i16), its last change (i64), and the rate since: basis points.
    interest = _value(address, entries, Extension.INTEREST_BEARING_CONFIG, 52)
    if interest is not None:
        return f"with interest added, {int.from_bytes(interest[50:], 'little', signed=True)} basis points a year now"
    return None


def _name(kind: int) -> str:
    return NAMES.get(kind, f"unknown_extension_{kind}")


def _value(address: Pubkey, entries: dict[int, bytes], kind: Extension, length: int) -> bytes | None:
    value = entries.get(kind)
    if value is not None and len(value) != length:
        raise UnreadableAccount(address, f"{_name(kind)} is {len(value)} bytes long, not {length}")
    return value


def _byte(address: Pubkey, entries: dict[int, bytes], kind: Extension, length: int, offset: int = 0) -> int:
    value = _value(address, entries, kind, length)
    return 0 if value is None else value[offset]


def _pubkey(
    address: Pubkey, entries: dict[int, bytes], kind: Extension, *, offset: int, length: int
) -> Pubkey | None:
    value = _value(address, entries, kind, length)
    if value is None or not any(value[offset : offset + 32]):
        return None
    return Pubkey.from_bytes(value[offset : offset + 32])
