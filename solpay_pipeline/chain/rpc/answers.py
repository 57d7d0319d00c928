"""What the chain answers, as frozen values. Amounts are integers in lamports or base units, times are aware UTC."""

import json
from dataclasses import dataclass
from datetime import datetime

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.errors import Unanswered
from solpay_pipeline.lifecycle.terms import Commitment


@dataclass(frozen=True, slots=True)
class RecentBlockhash:
    """A blockhash to sign with. It dies when the block height passes `last_valid_block_height`.

    `slot` is the context slot of the answer; `block_height` was read from the same node right after, at the
    same commitment, and has passed 0 < last_valid_block_height - block_height <= 151
    (docs/solana.md#when-a-signature-is-dead).
    """

    blockhash: Hash
    last_valid_block_height: int
    slot: int
    block_height: int


@dataclass(frozen=True, slots=True)
class Untold:
    """In place of one item among many: no endpoint answers about it, for this reason. It may be anything."""

    why: str


@dataclass(frozen=True, slots=True)
class AccountsAt:
    """Accounts in the order asked for, None where there is none. `slot` is the answers' lowest context slot."""

    slot: int
    accounts: tuple[Account | Untold | None, ...]


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """What a node knows about a signature. `err` is the TransactionError as JSON text, `raw_err` as decoded JSON."""

    slot: int
    confirmation: Commitment
    err: str | None = None
    raw_err: object = None


@dataclass(frozen=True, slots=True)
class StatusesAt:
    """Statuses in the order asked for, None where unknown. `slot` is the answers' lowest context slot."""

    slot: int
    statuses: tuple[SignatureStatus | Untold | None, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a transaction would do. `err` is None when it would succeed; `units` are compute units."""

    err: str | None
    raw_err: object
    logs: tuple[str, ...]
    units: int | None


@dataclass(frozen=True, slots=True)
class SignatureRecord:
    """One line of an address' history, newest first."""

    signature: str
    slot: int
    block_time: datetime | None
    err: str | None
    confirmation: Commitment | None
    """None where the node does not say."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Lines of an address' history, newest first. `first_available_slot` is the oldest slot whose block the node still
    has: the page says nothing about older ones. None where the node does not tell: then it goes back as far as what it
    lists, and nobody knows whether further.
    """

    records: tuple[SignatureRecord, ...]
    first_available_slot: int | None


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """What the token account at `account_index` of a transaction held, in base units, before or after it.

    `owner` is None in blocks from before 2021 and `program` in blocks from before 2022, which do not record them.
    """

    account_index: int
    mint: Pubkey
    owner: Pubkey | None
    program: Pubkey | None
    amount: int
    decimals: int


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """A landed transaction by its effects: balances before and after, by index into `account_keys`.

    `account_keys` holds the static keys, then those loaded from lookup tables (writable, then readonly).
    `version` is "legacy", 0 or 1. `fee` is in lamports; an `err` with fee 0 is not final (SIMD-0290).
    """

    signature: str
    slot: int
    block_time: datetime | None
    version: str | int
    fee: int
    err: str | None
    raw_err: object
    account_keys: tuple[Pubkey, ...]
    pre_balances: tuple[int, ...]
    post_balances: tuple[int, ...]
    pre_token_balances: tuple[TokenBalance, ...]
    post_token_balances: tuple[TokenBalance, ...]
    logs: tuple[str, ...]


def told(account: Account | Untold | None) -> Account | None:
    """An account that no work can do without. Raises `Unanswered`."""
    if isinstance(account, Untold):
        raise Unanswered(account.why)
    return account


def error_text(raw_err: object) -> str | None:
    """A TransactionError as compact JSON text, None for none: `"AlreadyProcessed"` keeps its quotes."""
    return None if raw_err is None else json.dumps(raw_err, separators=(",", ":"))


def failed_instruction(raw_err: object) -> int | None:
    """The index of the instruction that failed, None where the error is of the transaction as a whole."""
    match raw_err:
        case {"InstructionError": [int(index), *_]} if index >= 0:
            return index
        case _:
            return None
