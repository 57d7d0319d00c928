"""Results of JSON-RPC calls, decoded but not believed, as the values of `answers.py`.

solders' response classes panic on some results and fail on a TransactionError or an account encoding that they do not
know. So every result is read here. One that does not have the documented shape is `Unreadable`, never a guess.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from solders.account import Account
from solders.hash import Hash, ParseHashError
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.answers import (
    SignatureRecord,
    SignatureStatus,
    Simulation,
    TokenBalance,
    TransactionRecord,
    error_text,
)
from solpay_pipeline.chain.rpc.errors import MalformedAnswer, Unreadable
from solpay_pipeline.lifecycle.terms import Commitment

MOST_UNITS = 2**64 - 1
"""Lamports and base units are u64 in every program."""

MOST_SLOTS = 2**63 - 1
"""A slot is a u64, but a BIGINT column holds no more than this: enough for any number of years."""

LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
"""Python knows no later time and may raise OSError beyond it: a node that answers in nanoseconds is far beyond."""


@contextmanager
def reading(method: str, failure: type[MalformedAnswer] = Unreadable) -> Iterator[None]:
    """Turn any error while an answer to `method` is read into `failure`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, ParseHashError) as error:
        # The answer's content stays out of the text: it may be large, and a stranger wrote it.
        raise failure(f"the answer to {method} cannot be read ({type(error).__name__})") from None


def whole(value: object, most: int = MOST_UNITS) -> int:
    """A count or an amount, from 0 to `most`. Raises TypeError or ValueError."""
    if type(value) is not int:
        raise TypeError("not an integer")
    if not 0 <= value <= most:
        raise ValueError("out of range")
    return value


def whole_slot(value: object) -> int:
    """A slot. Raises TypeError or ValueError."""
    return whole(value, MOST_SLOTS)


def hash_value(value: object) -> Hash:
    """A blockhash or a genesis hash."""
    return Hash.from_string(_text(value))


def is_ok(value: object) -> bool:
    """The answer of getHealth."""
    return _text(value) == "ok"


def latest_blockhash(result: object) -> tuple[Hash, int, int]:
    """The answer of getLatestBlockhash: the blockhash, its last valid block height, and the context slot."""
    value = _member(result, "value")
    last_valid = whole_slot(_member(value, "lastValidBlockHeight"))
    return hash_value(_member(value, "blockhash")), last_valid, context_slot(result)


def balance(result: object) -> int:
    """The answer of getBalance, in lamports."""
    return whole(_member(result, "value"))


def fee(result: object) -> int | None:
    """The answer of getFeeForMessage, in lamports; None where the node does not know the blockhash."""
    value = _member(result, "value")
    return None if value is None else whole(value)


def priority_fees(result: object) -> tuple[int, ...]:
    """The answer of getRecentPrioritizationFees, in micro-lamports a compute unit, oldest slot first."""
    fees = [
        (whole(_member(each, "slot")), whole(_member(each, "prioritizationFee"))) for each in _list(result)
    ]
    return tuple(price for _slot, price in sorted(fees))


def keyed_accounts(result: object) -> tuple[tuple[Pubkey, Account], ...]:
    """The answer of getTokenAccountsByOwner in base64 encoding: accounts, each with its address."""
    return tuple(
        (_key(_member(each, "pubkey")), _account(_member(each, "account")))
        for each in _list(_member(result, "value"))
    )


def context_slot(result: object) -> int:
    """The slot as of which an answer with context was given."""
    return whole_slot(_member(_member(result, "context"), "slot"))


def context_values(result: object, count: int) -> list[object]:
    """The list in an answer with context, which must have as many entries as were asked for."""
    values = _member(result, "value")
    if not isinstance(values, list) or len(values) != count:
        raise ValueError("another number of values than asked for")
    return values


def account(value: object) -> Account | None:
    """An account in base64 encoding, None where there is none."""
    return None if value is None else _account(value)


def signature_status(value: object) -> SignatureStatus | None:
    """One entry of getSignatureStatuses."""
    if value is None:
        return None
    raw_err = _member(value, "err")
    return SignatureStatus(
        whole_slot(_member(value, "slot")), _confirmation(value), error_text(raw_err), raw_err
    )


def signature(value: object) -> str:
    """The answer of sendTransaction."""
    return _text(value)


def signature_records(result: object) -> tuple[SignatureRecord, ...]:
    """The answer of getSignaturesForAddress, newest first."""
    return tuple(map(_signature_record, _list(result)))


def _signature_record(value: object) -> SignatureRecord:
    named = _optional(value, "confirmationStatus")
    return SignatureRecord(
        signature=_text(_member(value, "signature")),
        slot=whole_slot(_member(value, "slot")),
        block_time=block_time(_optional(value, "blockTime")),
        err=error_text(_member(value, "err")),
        confirmation=None if named is None else Commitment(_text(named)),
    )


def simulation(result: object) -> Simulation:
    """The answer of simulateTransaction."""
    value = _member(result, "value")
    raw_err, units = _member(value, "err"), _optional(value, "unitsConsumed")
    logs = tuple(map(_text, _list(_optional(value, "logs") or [])))
    return Simulation(error_text(raw_err), raw_err, logs, None if units is None else whole(units))


def transaction_record(signature: str, result: object) -> TransactionRecord:
    """The answer of getTransaction in "json" encoding."""
    meta = _member(result, "meta")
    message = _member(_member(result, "transaction"), "message")
    loaded = _optional(meta, "loadedAddresses") or {"writable": [], "readonly": []}
    keys = [*_list(_member(message, "accountKeys"))]
    keys += [*_list(_member(loaded, "writable")), *_list(_member(loaded, "readonly"))]
    before = tuple(map(whole, _list(_member(meta, "preBalances"))))
    after = tuple(map(whole, _list(_member(meta, "postBalances"))))
    if not len(keys) == len(before) == len(after):
        raise ValueError("there must be as many balances as accounts")
    version = _optional(result, "version")
    raw_err = _member(meta, "err")
    return TransactionRecord(
        signature=signature,
        slot=whole_slot(_member(result, "slot")),
        block_time=block_time(_optional(result, "blockTime")),
        version="legacy" if version in (None, "legacy") else whole(version),
        fee=whole(_member(meta, "fee")),
        err=error_text(raw_err),
        raw_err=raw_err,
        account_keys=tuple(map(_key, keys)),
        pre_balances=before,
        post_balances=after,
        pre_token_balances=_token_balances(_optional(meta, "preTokenBalances"), len(keys)),
        post_token_balances=_token_balances(_optional(meta, "postTokenBalances"), len(keys)),
        logs=tuple(map(_text, _list(_optional(meta, "logMessages") or []))),
    )


def block_time(value: object) -> datetime | None:
    """Seconds since 1970 as an aware time, None where the node does not know."""
    return None if value is None else datetime.fromtimestamp(whole(value, LAST_SECOND), UTC)


def _account(value: object) -> Account:
    content, encoding = _list(_member(value, "data"))
    if encoding != "base64":
        raise ValueError("not in base64")
    return Account(
        whole(_member(value, "lamports")),
        base64.b64decode(_text(content), validate=True),
        _key(_member(value, "owner")),
        bool(_member(value, "executable")),
    )


def _token_balances(entries: object, accounts: int) -> tuple[TokenBalance, ...]:
    return tuple(_token_balance(entry, accounts) for entry in _list(entries or []))


def _token_balance(entry: object, accounts: int) -> TokenBalance:
    shown = _member(entry, "uiTokenAmount")
    owner, program = _optional(entry, "owner"), _optional(entry, "programId")
    index = whole(_member(entry, "accountIndex"))
    if index >= accounts:
        raise ValueError("no such account")
    return TokenBalance(
        account_index=index,
        mint=_key(_member(entry, "mint")),
        owner=None if owner is None else _key(owner),
        program=None if program is None else _key(program),
        amount=whole(int(_text(_member(shown, "amount")))),
        decimals=whole(_member(shown, "decimals")),
    )


def _confirmation(value: object) -> Commitment:
    named = _optional(value, "confirmationStatus")
    if named is not None:
        return Commitment(_text(named))
    # Old nodes do not send confirmationStatus: null confirmations mean rooted, anything else proves the least.
    return Commitment.FINALIZED if _member(value, "confirmations") is None else Commitment.PROCESSED


def _member(value: object, name: str) -> object:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    member: object = value[name]
    return member


def _optional(value: object, name: str) -> object:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    member: object = value.get(name)
    return member


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _key(value: object) -> Pubkey:
    return Pubkey.from_string(_text(value))
