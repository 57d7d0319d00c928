"""Reads what came to a wallet and what left it, from balances before and after each of its transactions.

Log text is never looked at: p-token writes none, and a payment through another program counts like any
other. A history that is longer than the limit (`HistoryTooLong`) or has a hole (`HistoryIncomplete`) is an
error, not a short list.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.base.concurrently import all_of
from solpay_pipeline.chain.rpc.answers import SignatureRecord, TokenBalance, TransactionRecord
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import (
    MalformedAnswer,
    Permanent,
    Transient,
    UnknownCursor,
    UnsupportedVersion,
)
from solpay_pipeline.lifecycle.flows import Flow
from solpay_pipeline.lifecycle.terms import Commitment

PAGE: Final = 1_000
"""Most signatures that getSignaturesForAddress gives at once."""

SHORTEST_FULL_PAGE: Final = 100
"""A page of so many may be cut by a provider's own limit, a shorter one is the last."""

RESTARTS: Final = 2
"""How often paging begins anew where a node doesn't know the cursor, that another node gave."""

TRANSACTIONS_AT_ONCE: Final = 64
"""Transactions asked for before their answers are taken in; bounds memory, the client bounds the calls."""

NEWEST: Final = 8
"""Of an address with so many transactions or more the whole history is read: a one-time wallet has two, or a few."""


@dataclass(frozen=True, slots=True)
class History:
    """A wallet's flows, oldest first. They are all there are since `first_slot`, the oldest that every node that was
    asked for them still has; what was before may be missing.
    """

    flows: tuple[Flow, ...]
    first_slot: int


class HistoryTooLong(Permanent):
    """An address has more transactions than may be read; somebody sends it dust, or it is no one-time
    wallet.
    """


class HistoryIncomplete(Transient):
    """A node lists a transaction that it cannot give; what it moved is not known."""


UNTOLD: Final = (HistoryTooLong, HistoryIncomplete, UnknownCursor, UnsupportedVersion, MalformedAnswer)
"""What keeps one wallet's history from being told and says nothing of any other's."""


async def read(
    rpc: Rpc,
    owner: Pubkey,
    token_accounts: Sequence[Pubkey],
    *,
    commitment: Commitment,
    since: datetime | None = None,
    max_signatures: int = 5_000,
    min_context_slot: int | None = None,
) -> History:
    """Every change of the wallet's lamports and token balances since `since`, oldest first.

    `token_accounts` are searched besides `owner`, since a transfer to an ATA names the ATA only; also those
    that are closed or never were. A token balance counts where its account's owner is `owner` at that time,
    at whatever address. Lamports are those of the system account alone: the rent in token accounts is not
    the wallet's money.

    With `min_context_slot` no node is believed that has not come so far: one that lags does not list what a fresher one
    has shown already.

    Where the wallet itself paid a transaction's fee, the fee is added back: it went to nobody, and a
    payment is not smaller because its sender spent some of it on a fee. Failed transactions moved nothing
    and do not count.

    Raises `HistoryTooLong` above `max_signatures` distinct transactions (failed ones included),
    `HistoryIncomplete`, and the RPC's own errors. There is no history of blocks that are only processed:
    `processed` is read as `confirmed`.
    """
    commitment = Commitment.CONFIRMED if commitment is Commitment.PROCESSED else commitment
    listed: dict[str, SignatureRecord] = {}
    first_slot = 0
    for address in dict.fromkeys((owner, *token_accounts)):
        first = await _list(rpc, address, listed, commitment, since, max_signatures, min_context_slot)
        first_slot = max(first_slot, first)
    succeeded = [record.signature for record in listed.values() if record.err is None]
    found: list[TransactionRecord] = []
    for start in range(0, len(succeeded), TRANSACTIONS_AT_ONCE):
        batch = succeeded[start : start + TRANSACTIONS_AT_ONCE]
        found.extend(await all_of(_transaction(rpc, each, commitment) for each in batch))
    # Listed newest first; within a slot that order is all there is to go by.
    found.reverse()
    found.sort(key=lambda record: record.slot)
    addresses = frozenset(token_accounts)
    return History(
        tuple(flow for record in found if record.err is None for flow in flows_of(record, owner, addresses)),
        first_slot,
    )


async def read_newest(
    rpc: Rpc,
    owner: Pubkey,
    address: Pubkey,
    *,
    mint: Pubkey | None,
    balance: int,
    made_at: datetime,
    commitment: Commitment,
    min_context_slot: int | None = None,
) -> History | None:
    """The flows by which `address` (the wallet or a token account of it) came to hold `balance` base units of `mint`.

    Its transactions are read from the newest on, until their flows add up to the balance and at most one is left, from
    before `made_at`, when the payment was made. That one opened the account, and is not read: before it there was
    nothing, after it there was nothing, and to bring money and take it away takes two. None where so little does not
    explain the balance.

    Raises as `read` does.
    """
    commitment = Commitment.CONFIRMED if commitment is Commitment.PROCESSED else commitment
    page = await rpc.history_page(
        address, commitment=commitment, limit=NEWEST, min_context_slot=min_context_slot
    )
    if len(page.records) == NEWEST:
        return None
    unread = [record for record in page.records if record.err is None]
    flows: list[Flow] = []
    while True:
        explained = sum(flow.amount for flow in flows if flow.mint == mint)
        if (
            explained == balance
            and all(_is_before(record, made_at) for record in unread)
            and len(unread) <= 1
        ):
            return History(tuple(flows), page.first_available_slot)
        if not unread:
            return None
        record = await _transaction(rpc, unread.pop(0).signature, commitment)
        if record.err is None:
            flows[:0] = flows_of(record, owner, frozenset({address}) - {owner})


def flows_of(
    record: TransactionRecord, owner: Pubkey, token_accounts: frozenset[Pubkey] = frozenset()
) -> list[Flow]:
    """The flows of one successful transaction, lamports first, then mints in the order of their accounts.

    `token_accounts` are taken for the wallet's where the node doesn't tell the owner of a token balance.
    """
    changes: list[tuple[Pubkey | None, Counter[Pubkey]]] = [(None, _lamport_changes(record))]
    changes.extend(_token_changes(record, owner, token_accounts).items())
    return [
        Flow(
            signature=record.signature,
            slot=record.slot,
            block_time=record.block_time,
            mint=mint,
            amount=by_owner[owner],
            beneficiaries=_gainers(by_owner) if by_owner[owner] < 0 else (),
        )
        for mint, by_owner in changes
        if by_owner[owner]
    ]


async def _list(
    rpc: Rpc,
    address: Pubkey,
    listed: dict[str, SignatureRecord],
    commitment: Commitment,
    since: datetime | None,
    max_signatures: int,
    min_context_slot: int | None,
) -> int:
    """List an address' transactions; returns the oldest slot that all nodes that were asked still have."""
    before: str | None = None
    restarts = first_slot = 0
    while True:
        try:
            answer = await rpc.history_page(
                address,
                commitment=commitment,
                before=before,
                limit=PAGE,
                min_context_slot=min_context_slot,
            )
        except UnknownCursor:
            if before is None or restarts == RESTARTS:
                raise
            restarts += 1
            before = None
            continue
        page = answer.records
        first_slot = max(first_slot, answer.first_available_slot)
        for record in page:
            if since is None or record.block_time is None or record.block_time >= since:
                listed.setdefault(record.signature, record)
        if len(listed) > max_signatures:
            raise HistoryTooLong(f"{address}: more than {max_signatures} transactions")
        if len(page) < SHORTEST_FULL_PAGE or _reaches(page, since):
            return first_slot
        before = page[-1].signature


def _reaches(page: Sequence[SignatureRecord], since: datetime | None) -> bool:
    """Whether the page, newest first, goes back beyond `since`."""
    return since is not None and any(
        record.block_time is not None and record.block_time < since for record in page
    )


def _is_before(record: SignatureRecord, moment: datetime) -> bool:
    return record.block_time is not None and record.block_time <= moment


async def _transaction(rpc: Rpc, signature: str, commitment: Commitment) -> TransactionRecord:
    record = await rpc.transaction(signature, commitment=commitment)
    if record is None:
        raise HistoryIncomplete(f"{signature} is listed, but the node does not have it")
    return record


def _lamport_changes(record: TransactionRecord) -> Counter[Pubkey]:
    changes: Counter[Pubkey] = Counter()
    for key, before, after in zip(
        record.account_keys, record.pre_balances, record.post_balances, strict=True
    ):
        changes[key] += after - before
    if record.account_keys:
        changes[record.account_keys[0]] += record.fee
    return changes


def _token_changes(
    record: TransactionRecord, owner: Pubkey, token_accounts: frozenset[Pubkey]
) -> Mapping[Pubkey, Counter[Pubkey]]:
    changes: dict[Pubkey, Counter[Pubkey]] = {}
    for balances, sign in ((record.pre_token_balances, -1), (record.post_token_balances, 1)):
        for balance in balances:
            holder = _holder(record, balance, owner, token_accounts)
            changes.setdefault(balance.mint, Counter())[holder] += sign * balance.amount
    return changes


def _holder(
    record: TransactionRecord, balance: TokenBalance, owner: Pubkey, token_accounts: frozenset[Pubkey]
) -> Pubkey:
    if balance.owner is not None:
        return balance.owner
    address = record.account_keys[balance.account_index]
    return owner if address in token_accounts else address


def _gainers(by_owner: Counter[Pubkey]) -> tuple[Pubkey, ...]:
    """Who gained, most first."""
    gains = [(amount, str(address), address) for address, amount in by_owner.items() if amount > 0]
    return tuple(address for _amount, _text, address in sorted(gains, key=lambda gain: (-gain[0], gain[1])))
