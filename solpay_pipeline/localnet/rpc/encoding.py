"""Accounts as JSON: base64, also with Zstandard, base58, or jsonParsed for token accounts and mints. jsonParsed falls
back to base64 for others, as on a validator. Field names: agave `account-decoder/src/parse_token.rs`,
`parse_token_extension.rs`.
"""

import struct
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import zstandard
from base58 import b58encode
from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.errors import INVALID_REQUEST, RpcError, invalid_params
from solpay_pipeline.localnet.chain.token_layout import (
    TOKEN_PROGRAM,
    MintState,
    TokenAccount,
    read_mint,
    read_token_account,
)

MAX_BASE58_BYTES = 128
ACCOUNT_ENCODINGS = frozenset({"base58", "base64", "base64+zstd", "binary", "jsonParsed"})

DataSlice = tuple[int, int]
ReadAccount = Callable[[Pubkey], Account | None]

_STATES = {1: "initialized", 2: "frozen"}
_EXTENSION_NAMES = """
    transferFeeConfig transferFeeAmount mintCloseAuthority confidentialTransferMint confidentialTransferAccount
    defaultAccountState immutableOwner memoTransfer nonTransferable interestBearingConfig cpiGuard permanentDelegate
    nonTransferableAccount transferHook transferHookAccount confidentialTransferFeeConfig confidentialTransferFeeAmount
    metadataPointer tokenMetadata groupPointer tokenGroup groupMemberPointer tokenGroupMember unparseableExtension
    scaledUiAmountConfig pausableConfig pausableAccount
"""
_EXTENSIONS = dict(enumerate(_EXTENSION_NAMES.split(), start=1))
"""By their numbers on chain. No parser of a validator knows 24, confidentialMintBurn."""


def account_json(
    account: Account, encoding: str, data_slice: DataSlice | None = None, read: ReadAccount | None = None
) -> dict[str, Any]:
    """A UiAccount. `read` finds the mint of a token account, which jsonParsed needs for the decimals."""
    raw = account.data
    shown: Any
    parsed = parsed_account(account, read) if encoding == "jsonParsed" and read is not None else None
    if parsed is not None:
        shown = parsed
    else:
        shown = encoded_bytes(raw if data_slice is None else raw[data_slice[0] : sum(data_slice)], encoding)
    return {
        "data": shown,
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": account.rent_epoch,
        "space": len(raw),
    }


def encoded_bytes(raw: bytes, encoding: str) -> list[str] | str:
    """Bytes in the encoding asked for; `binary` is the old bare base58 string."""
    if encoding in ("base64", "jsonParsed"):
        return [b64encode(raw).decode(), "base64"]
    if encoding == "base64+zstd":
        return [b64encode(zstandard.compress(raw)).decode(), encoding]
    if encoding in ("base58", "binary"):
        if len(raw) > MAX_BASE58_BYTES:
            raise RpcError(
                INVALID_REQUEST,
                "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.",
            )
        text = b58encode(raw).decode()
        return text if encoding == "binary" else [text, "base58"]
    raise invalid_params(f"Invalid params: unknown variant `{encoding}`")


def ui_amount(amount: int, decimals: int) -> dict[str, Any]:
    """UiTokenAmount: `amount` is exact base units as text; the other two are for display."""
    digits = str(amount).rjust(decimals + 1, "0")
    text = digits if decimals == 0 else f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")
    return {"amount": str(amount), "decimals": decimals, "uiAmount": float(text), "uiAmountString": text}


def parsed_account(account: Account, read: ReadAccount | None) -> dict[str, Any] | None:
    """A token account or mint as jsonParsed; None for other accounts."""
    raw = account.data
    token_account = read_token_account(account.owner, raw)
    if token_account is not None:
        mint_account = read(token_account.mint) if read is not None else None
        mint = None if mint_account is None else read_mint(mint_account.owner, mint_account.data)
        if mint is None:
            return None
        return _parsed(account, "account", _token_account_fields(token_account, mint.decimals))
    mint = read_mint(account.owner, raw)
    return None if mint is None else _parsed(account, "mint", _mint_fields(mint))


def _parsed(account: Account, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    program = "spl-token" if account.owner == TOKEN_PROGRAM else "spl-token-2022"
    return {"program": program, "parsed": {"info": fields, "type": kind}, "space": len(account.data)}


def _token_account_fields(state: TokenAccount, decimals: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "isNative": state.native_reserve is not None,
        "mint": str(state.mint),
        "owner": str(state.owner),
        "state": _STATES[state.state],
        "tokenAmount": ui_amount(state.amount, decimals),
    }
    if state.delegate is not None:
        fields["delegate"] = str(state.delegate)
        fields["delegatedAmount"] = ui_amount(state.delegated_amount, decimals)
    if state.close_authority is not None:
        fields["closeAuthority"] = str(state.close_authority)
    if state.native_reserve is not None:
        fields["rentExemptReserve"] = ui_amount(state.native_reserve, decimals)
    if state.extensions:
        fields["extensions"] = [_extension(kind, raw) for kind, raw in state.extensions]
    return fields


def _mint_fields(mint: MintState) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "decimals": mint.decimals,
        "freezeAuthority": _text(mint.freeze_authority),
        "isInitialized": mint.initialized,
        "mintAuthority": _text(mint.mint_authority),
        "supply": str(mint.supply),
    }
    if mint.extensions:
        fields["extensions"] = [_extension(kind, raw) for kind, raw in mint.extensions]
    return fields


def _extension(kind: int, raw: bytes) -> dict[str, Any]:
    name = _EXTENSIONS.get(kind, "unparseableExtension")
    state = _extension_state(name, raw)
    return {"extension": name} if state is None else {"extension": name, "state": state}


def _extension_state(name: str, raw: bytes) -> dict[str, Any] | None:
    match name:
        case "transferFeeConfig":
            (withheld,) = struct.unpack_from("<Q", raw, 64)
            return {
                "transferFeeConfigAuthority": _key(raw, 0),
                "withdrawWithheldAuthority": _key(raw, 32),
                "withheldAmount": withheld,
                "olderTransferFee": _transfer_fee(raw, 72),
                "newerTransferFee": _transfer_fee(raw, 90),
            }
        case "transferFeeAmount":
            return {"withheldAmount": struct.unpack_from("<Q", raw)[0]}
        case "mintCloseAuthority":
            return {"closeAuthority": _key(raw, 0)}
        case "permanentDelegate":
            return {"delegate": _key(raw, 0)}
        case "defaultAccountState":
            return {"accountState": _STATES.get(raw[0], "uninitialized")}
        case "memoTransfer":
            return {"requireIncomingTransferMemos": bool(raw[0])}
        case "cpiGuard":
            return {"lockCpi": bool(raw[0])}
        case "transferHook":
            return {"authority": _key(raw, 0), "programId": _key(raw, 32)}
        case "transferHookAccount":
            return {"transferring": bool(raw[0])}
        case "pausableConfig":
            return {"authority": _key(raw, 0), "paused": bool(raw[32])}
        case _:
            return None


def _transfer_fee(raw: bytes, offset: int) -> dict[str, int]:
    epoch, maximum, basis_points = struct.unpack_from("<QQH", raw, offset)
    return {"epoch": epoch, "maximumFee": maximum, "transferFeeBasisPoints": basis_points}


def _key(raw: bytes, offset: int) -> str | None:
    key = raw[offset : offset + 32]
    return None if key == bytes(32) else str(Pubkey(key))


def _text(key: Pubkey | None) -> str | None:
    return None if key is None else str(key)
