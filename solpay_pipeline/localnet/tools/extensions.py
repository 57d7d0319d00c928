"""Token-2022's instructions that put extensions on a mint before it is initialized, and the bytes each takes.

Numbers and sizes: spl-token-2022-interface `extension/mod.rs` and the `instruction.rs` of each extension.
"""

import struct
from collections.abc import Sequence

from solders.pubkey import Pubkey

_BASE_BYTES = 166
"""A padded account and the account type byte: a mint's extensions come after these."""

_BARE_MINT_BYTES = 82
_HEADER_BYTES = 4
_SIZES = {
    "transfer_fee": 108,
    "mint_close_authority": 32,
    "default_frozen": 1,
    "non_transferable": 0,
    "interest_bearing": 52,
    "permanent_delegate": 32,
    "transfer_hook": 64,
    "scaled_ui_amount": 56,
    "pausable": 33,
}


def check(names: Sequence[str]) -> None:
    """Raises ValueError for an unknown name."""
    unknown = [name for name in names if name not in _SIZES]
    if unknown:
        raise ValueError(f"unknown extensions {unknown}; there are {sorted(_SIZES)}")


def mint_bytes(names: Sequence[str]) -> int:
    """The size of a mint with these extensions."""
    if not names:
        return _BARE_MINT_BYTES
    return _BASE_BYTES + sum(_HEADER_BYTES + _SIZES[name] for name in names)


def initialization(name: str, authority: Pubkey, fee: tuple[int, int], hook_program: Pubkey | None) -> bytes:
    """The data of the instruction that puts an extension on a mint; `fee` is basis points and highest base units."""
    key = bytes(authority)
    match name:
        case "transfer_fee":
            return b"\x1a\x00\x01" + key + b"\x01" + key + struct.pack("<HQ", *fee)
        case "mint_close_authority":
            return b"\x19\x01" + key
        case "default_frozen":
            return b"\x1c\x00\x02"
        case "non_transferable":
            return b"\x20"
        case "interest_bearing":
            return b"\x21\x00" + key + struct.pack("<h", 100)
        case "permanent_delegate":
            return b"\x23" + key
        case "transfer_hook":
            return b"\x24\x00" + key + bytes(hook_program or Pubkey.default())
        case "scaled_ui_amount":
            return b"\x2b\x00" + key + struct.pack("<d", 2)
        case "pausable":
            return b"\x2c\x00" + key
    raise ValueError(f"unknown extension {name}")
