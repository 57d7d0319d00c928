"""Transactions as JSON: `json`, `jsonParsed`, `base64`, `base58`, with their status meta. Field names: agave
`transaction-status-client-types/src/lib.rs` (EncodedConfirmedTransactionWithStatusMeta).
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from base58 import b58encode
from solders.instruction import CompiledInstruction
from solders.message import MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.transaction_metadata import InnerInstruction

from solpay_pipeline.localnet.chain.errors import (
    UNSUPPORTED_TRANSACTION_VERSION,
    RpcError,
    TransactionErrorJson,
    invalid_params,
)
from solpay_pipeline.localnet.chain.history import Executed, TokenBalance, TransactionRecord
from solpay_pipeline.localnet.chain.transactions import Decoded
from solpay_pipeline.localnet.rpc.encoding import ui_amount
from solpay_pipeline.localnet.rpc.parsed import parsed_instruction

TRANSACTION_ENCODINGS = frozenset({"base58", "base64", "binary", "json", "jsonParsed"})

_TOP_STACK_HEIGHT = 1
"""Agave 4.3 says so for every version; before, it was null."""


def confirmed_transaction(
    record: TransactionRecord, encoding: str, max_version: int | None
) -> dict[str, Any]:
    """The answer of getTransaction; -32015 for a version that the client did not say it can read."""
    return {
        "slot": record.slot,
        "blockTime": record.block_time,
        "transactionIndex": record.index_in_block,
        **transaction_with_meta(record, encoding, max_version),
    }


def transaction_with_meta(
    record: TransactionRecord, encoding: str, max_version: int | None
) -> dict[str, Any]:
    """One member of a block's `transactions`."""
    check_version(record.decoded, max_version)
    shown: dict[str, Any] = {
        "transaction": _transaction(record.decoded, encoding),
        "meta": meta_json(record, parsed=encoding == "jsonParsed"),
    }
    return shown | _version(record.decoded, max_version)


def transaction_accounts(record: TransactionRecord, max_version: int | None) -> dict[str, Any]:
    """The same with transactionDetails `accounts`: who took part and what it cost."""
    check_version(record.decoded, max_version)
    return {
        "transaction": {
            "signatures": [str(signature) for signature in record.decoded.transaction.signatures],
            "accountKeys": _parsed_keys(record.decoded),
        },
        "meta": status_json(record.executed.err) | effects_json(record.executed),
        **_version(record.decoded, max_version),
    }


def check_version(decoded: Decoded, max_version: int | None) -> None:
    """-32015 for a version that the client did not say it can read."""
    version = decoded.version
    if version is not None and (max_version is None or version > max_version):
        raise RpcError(
            UNSUPPORTED_TRANSACTION_VERSION,
            f"Transaction version ({version}) is not supported by the requesting client. "
            "Please try the request again with the following configuration parameter: "
            f'"maxSupportedTransactionVersion": {version}',
        )


def _version(decoded: Decoded, max_version: int | None) -> dict[str, Any]:
    if max_version is None:
        return {}
    return {"version": "legacy" if decoded.version is None else decoded.version}


def meta_json(record: TransactionRecord, parsed: bool) -> dict[str, Any]:
    """UiTransactionStatusMeta."""
    decoded, executed = record.decoded, record.executed
    meta = status_json(executed.err) | effects_json(executed)
    meta |= {
        "innerInstructions": inner_instructions(executed.inner_instructions, decoded.keys, parsed),
        "logMessages": list(executed.logs),
        "rewards": [],
        "computeUnitsConsumed": executed.compute_units,
    }
    if not parsed:
        meta["loadedAddresses"] = loaded_addresses(decoded)
    returned = return_data(executed)
    if returned is not None:
        meta["returnData"] = returned
    return meta


def status_json(err: TransactionErrorJson | None) -> dict[str, Any]:
    """The members `err` and `status`; the second is the older form of the first."""
    return {"err": err, "status": {"Ok": None} if err is None else {"Err": err}}


def effects_json(executed: Executed) -> dict[str, Any]:
    """The fee, and the balances before and after."""
    return {
        "fee": executed.fee,
        "preBalances": list(executed.pre_balances),
        "postBalances": list(executed.post_balances),
        "preTokenBalances": _token_balances(executed.pre_token_balances),
        "postTokenBalances": _token_balances(executed.post_token_balances),
    }


def loaded_addresses(decoded: Decoded) -> dict[str, list[str]]:
    """The addresses that lookup tables added."""
    return {
        "writable": [str(key) for key in decoded.loaded_writable],
        "readonly": [str(key) for key in decoded.loaded_readonly],
    }


def return_data(executed: Executed) -> dict[str, Any] | None:
    """What the last program returned, or None."""
    if executed.return_data is None:
        return None
    program, raw = executed.return_data
    return {"programId": str(program), "data": [b64encode(raw).decode(), "base64"]}


def _token_balances(balances: Sequence[TokenBalance]) -> list[dict[str, Any]]:
    return [
        {
            "accountIndex": balance.account_index,
            "mint": str(balance.mint),
            "owner": str(balance.owner),
            "programId": str(balance.program),
            "uiTokenAmount": ui_amount(balance.amount, balance.decimals),
        }
        for balance in balances
    ]


def inner_instructions(
    groups: Sequence[Sequence[InnerInstruction]], keys: Sequence[Pubkey], parsed: bool
) -> list[dict[str, Any]]:
    """What each instruction called, by the index of the outer one; those that called nothing are left out."""
    return [
        {
            "index": index,
            "instructions": [
                _instruction(inner.instruction(), keys, parsed, inner.stack_height()) for inner in group
            ],
        }
        for index, group in enumerate(groups)
        if group
    ]


def _transaction(decoded: Decoded, encoding: str) -> Any:
    match encoding:
        case "base64":
            return [b64encode(decoded.wire).decode(), "base64"]
        case "base58":
            return [b58encode(decoded.wire).decode(), "base58"]
        case "binary":
            return b58encode(decoded.wire).decode()
        case "json" | "jsonParsed":
            return {
                "signatures": [str(signature) for signature in decoded.transaction.signatures],
                "message": _message(decoded, encoding == "jsonParsed"),
            }
    raise invalid_params(f"Invalid params: unknown variant `{encoding}`")


def _message(decoded: Decoded, parsed: bool) -> dict[str, Any]:
    message = decoded.transaction.message
    shown: dict[str, Any] = {
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            _instruction(each, decoded.keys, parsed, _TOP_STACK_HEIGHT) for each in message.instructions
        ],
    }
    header = message.header
    if parsed:
        shown["accountKeys"] = _parsed_keys(decoded)
    else:
        shown["accountKeys"] = [str(key) for key in decoded.static_keys]
        shown["header"] = {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        }
    if isinstance(message, MessageV0):
        shown["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
            for lookup in message.address_table_lookups
        ]
    if isinstance(message, MessageV1):
        config = message.config
        shown["transactionConfig"] = {
            "priorityFee": config.priority_fee,
            "computeUnitLimit": config.compute_unit_limit,
            "loadedAccountsDataSizeLimit": config.loaded_accounts_data_size_limit,
            "heapSize": config.heap_size,
        }
    return shown


def _parsed_keys(decoded: Decoded) -> list[dict[str, Any]]:
    signers = decoded.transaction.message.header.num_required_signatures
    static = len(decoded.static_keys)
    return [
        {
            "pubkey": str(key),
            "signer": index < signers,
            "writable": key in decoded.writable,
            "source": "transaction" if index < static else "lookupTable",
        }
        for index, key in enumerate(decoded.keys)
    ]


def _instruction(
    instruction: CompiledInstruction, keys: Sequence[Pubkey], parsed: bool, stack_height: int | None
) -> dict[str, Any]:
    if parsed:
        return parsed_instruction(instruction, keys, stack_height)
    return {
        "programIdIndex": instruction.program_id_index,
        "accounts": list(instruction.accounts),
        "data": b58encode(bytes(instruction.data)).decode(),
        "stackHeight": stack_height,
    }
