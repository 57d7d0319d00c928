"""Instructions as jsonParsed shows them: system, SPL Token, Token-2022, ATA and memo. Others are shown partially
decoded, as on a validator. Names: agave `transaction-status/src/parse_{system,token,associated_token}.rs`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from base58 import b58encode
from solders.instruction import CompiledInstruction
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.token_layout import (
    ATA_PROGRAM,
    MEMO_PROGRAM,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
)
from solpay_pipeline.localnet.rpc.encoding import ui_amount

_SYSTEM_PROGRAM = Pubkey.default()


@dataclass(frozen=True, slots=True)
class _TokenShape:
    kind: str
    accounts: tuple[str, ...]
    authority: str
    amount: bool = False
    checked: bool = False


_TOKEN_SHAPES = {
    3: _TokenShape("transfer", ("source", "destination"), "authority", amount=True),
    7: _TokenShape("mintTo", ("mint", "account"), "mintAuthority", amount=True),
    8: _TokenShape("burn", ("account", "mint"), "authority", amount=True),
    9: _TokenShape("closeAccount", ("account", "destination"), "owner"),
    10: _TokenShape("freezeAccount", ("account", "mint"), "freezeAuthority"),
    11: _TokenShape("thawAccount", ("account", "mint"), "freezeAuthority"),
    12: _TokenShape("transferChecked", ("source", "mint", "destination"), "authority", checked=True),
    14: _TokenShape("mintToChecked", ("mint", "account"), "mintAuthority", checked=True),
    15: _TokenShape("burnChecked", ("account", "mint"), "authority", checked=True),
    38: _TokenShape("withdrawExcessLamports", ("source", "destination"), "authority"),
}

Parsed = tuple[str, Any]
"""Program name and the member `parsed`."""


def parsed_instruction(
    instruction: CompiledInstruction, keys: Sequence[Pubkey], stack_height: int | None
) -> dict[str, Any]:
    """One instruction of a transaction whose addresses are `keys`."""
    program = keys[instruction.program_id_index]
    accounts = [str(keys[index]) for index in instruction.accounts]
    raw = bytes(instruction.data)
    try:
        known = _parse(program, accounts, raw)
    except (IndexError, struct.error):
        # Too few accounts or bytes for the instruction: a validator shows it undecoded, too.
        known = None
    if known is None:
        return {
            "accounts": accounts,
            "data": b58encode(raw).decode(),
            "programId": str(program),
            "stackHeight": stack_height,
        }
    name, parsed = known
    return {"parsed": parsed, "program": name, "programId": str(program), "stackHeight": stack_height}


def _parse(program: Pubkey, accounts: list[str], raw: bytes) -> Parsed | None:
    if program == _SYSTEM_PROGRAM:
        return _typed("system", _system(accounts, raw))
    if program in TOKEN_PROGRAMS:
        return _typed("spl-token" if program == TOKEN_PROGRAM else "spl-token-2022", _token(accounts, raw))
    if program == ATA_PROGRAM:
        return _typed("spl-associated-token-account", _ata(accounts, raw))
    if program == MEMO_PROGRAM:
        return "spl-memo", raw.decode(errors="replace")
    return None


def _typed(program: str, found: tuple[str, dict[str, Any]] | None) -> Parsed | None:
    return None if found is None else (program, {"info": found[1], "type": found[0]})


def _system(accounts: list[str], raw: bytes) -> tuple[str, dict[str, Any]] | None:
    (kind,) = struct.unpack_from("<I", raw)
    if kind == 0:
        lamports, space = struct.unpack_from("<QQ", raw, 4)
        return "createAccount", {
            "source": accounts[0],
            "newAccount": accounts[1],
            "lamports": lamports,
            "space": space,
            "owner": str(Pubkey(raw[20:52])),
        }
    if kind == 1:
        return "assign", {"account": accounts[0], "owner": str(Pubkey(raw[4:36]))}
    if kind == 2:
        (lamports,) = struct.unpack_from("<Q", raw, 4)
        return "transfer", {"source": accounts[0], "destination": accounts[1], "lamports": lamports}
    if kind == 8:
        (space,) = struct.unpack_from("<Q", raw, 4)
        return "allocate", {"account": accounts[0], "space": space}
    return None


def _token(accounts: list[str], raw: bytes) -> tuple[str, dict[str, Any]] | None:
    shape = _TOKEN_SHAPES.get(raw[0])
    if shape is not None:
        fields: dict[str, Any] = {name: accounts[index] for index, name in enumerate(shape.accounts)}
        if shape.checked:
            fields["tokenAmount"] = ui_amount(_u64(raw, 1), raw[9])
        elif shape.amount:
            fields["amount"] = str(_u64(raw, 1))
        return shape.kind, fields | _authority(accounts, len(shape.accounts), shape.authority)
    match raw[0]:
        case 17:
            return "syncNative", {"account": accounts[0]}
        case 18:
            owner = str(Pubkey(raw[1:33]))
            return "initializeAccount3", {"account": accounts[0], "mint": accounts[1], "owner": owner}
        case 20:
            authorities = {"mintAuthority": str(Pubkey(raw[2:34]))}
            if raw[34]:
                authorities["freezeAuthority"] = str(Pubkey(raw[35:67]))
            return "initializeMint2", {"mint": accounts[0], "decimals": raw[1], **authorities}
        case 21:
            return "getAccountDataSize", {"mint": accounts[0]}
        case 22:
            return "initializeImmutableOwner", {"account": accounts[0]}
        case 26:
            return _token_fee(accounts, raw)
        case _:
            return None


def _token_fee(accounts: list[str], raw: bytes) -> tuple[str, dict[str, Any]] | None:
    if raw[1] == 1:
        return "transferCheckedWithFee", {
            "source": accounts[0],
            "mint": accounts[1],
            "destination": accounts[2],
            "tokenAmount": ui_amount(_u64(raw, 2), raw[10]),
            "feeAmount": ui_amount(_u64(raw, 11), raw[10]),
            **_authority(accounts, 3, "authority"),
        }
    if raw[1] == 4:
        return "harvestWithheldTokensToMint", {"mint": accounts[0], "sourceAccounts": accounts[1:]}
    return None


def _ata(accounts: list[str], raw: bytes) -> tuple[str, dict[str, Any]] | None:
    kind = raw[0] if raw else 0
    if kind in (0, 1):
        return "create" if kind == 0 else "createIdempotent", {
            "source": accounts[0],
            "account": accounts[1],
            "wallet": accounts[2],
            "mint": accounts[3],
            "systemProgram": accounts[4],
            "tokenProgram": accounts[5],
        }
    if kind == 2:
        return "recoverNested", {
            "nestedSource": accounts[0],
            "nestedMint": accounts[1],
            "destination": accounts[2],
            "nestedOwner": accounts[3],
            "ownerMint": accounts[4],
            "wallet": accounts[5],
            "tokenProgram": accounts[6],
        }
    return None


def _authority(accounts: list[str], index: int, name: str) -> dict[str, Any]:
    if len(accounts) > index + 1:
        return {f"multisig{name[0].upper()}{name[1:]}": accounts[index], "signers": accounts[index + 1 :]}
    return {name: accounts[index]}


def _u64(raw: bytes, offset: int) -> int:
    value: int = struct.unpack_from("<Q", raw, offset)[0]
    return value
