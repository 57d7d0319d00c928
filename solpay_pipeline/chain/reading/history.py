"""Reads all that came to a wallet and left it, as a statement, from balances before and after each transaction.

Log text is not used: p-token writes none, and a payment through another program counts like any other. A history longer
than the limit (`HistoryTooLong`) or with a hole (`Unanswered`) is an error, not a short list.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.base.concurrently import all_of
from solpay_pipeline.chain.reading.addresses import NATIVE_MINTS
from solpay_pipeline.chain.rpc.answers import SignatureRecord, TokenBalance, TransactionRecord
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import (
    Permanent,
    Transient,
    Unanswered,
    UnknownCursor,
    UnsupportedVersion,
)
from solpay_pipeline.lifecycle.evidence.effects import Change, Effect, in_order
from solpay_pipeline.lifecycle.evidence.grounds import Evidence
from solpay_pipeline.lifecycle.evidence.statement import NO_HOMES, Homes, Statement, statement_of
from solpay_pipeline.lifecycle.terms import Commitment

PAGE: Final = 1_000
"""Most signatures that getSignaturesForAddress gives at once."""

SHORTEST_FULL_PAGE: Final = 100
"""A page of at least this length may be cut by a provider's own limit; a shorter one is the last."""

RESTARTS: Final = 2
"""How often paging starts again where a node does not know the cursor that another node gave."""

TRANSACTIONS_AT_ONCE: Final = 64
"""Transactions asked for at a time. It bounds memory; the client bounds the calls."""

NEWEST: Final = 8
"""The whole history of an address with at least this many transactions is read: a one-time wallet has two, or a few."""


@dataclass(frozen=True, slots=True)
class History:
    """A wallet's statement: all there is since `first_slot`, the oldest that every node that was asked still has.

    Of a node that does not tell it is the oldest that it has shown; None where it has shown none.

    What was before may be missing. `evidence` is how much of it was read, `transactions` how many there are that
    succeeded, at the addresses that were asked.
    """

    statement: Statement
    first_slot: int | None
    evidence: Evidence = Evidence.WHOLE
    transactions: int = 0


class HistoryTooLong(Permanent):
    """An address has more transactions than may be read: somebody sends it dust, or it is not a one-time wallet."""


class HistoryUnfinished(Transient):
    """The time of the run was over before all was read; what was read of it is known to the next run."""


UNTOLD: Final = (HistoryTooLong, HistoryUnfinished, Unanswered, UnknownCursor, UnsupportedVersion)
"""Why one wallet's history cannot be read; they say nothing about any other's."""


async def read(
    rpc: Rpc,
    owner: Pubkey,
    token_accounts: Sequence[Pubkey],
    *,
    commitment: Commitment,
    homes: Homes = NO_HOMES,
    without: Set[Pubkey] = frozenset(),
    since: datetime | None = None,
    max_signatures: int = 5_000,
    min_context_slot: int | None = None,
    begins_before: int | None = None,
    final: dict[str, Effect] | None = None,
    must_stop: Callable[[], bool] = lambda: False,
) -> History:
    """Every change of the wallet's lamports and token balances since `since`, oldest first.

    `token_accounts` are searched besides `owner`, since a transfer to an ATA names the ATA only; also those that are
    closed or never were, and in turn every account of the wallet that these histories name, but for those in
    `without`. A token balance counts where its account's owner is `owner` at that time, at whatever address.

    With `min_context_slot` only nodes that have reached that slot are believed: one that lags does not list what a
    newer one has shown already; with `begins_before` only those whose history begins before that slot.

    Failed transactions moved nothing and do not count.

    `final` are effects of finalized transactions that were read before and are not read again; those that are read now
    are added to it, also where this raises.

    Raises `HistoryTooLong` above `max_signatures` distinct transactions (failed ones included), `Unanswered`,
    `HistoryUnfinished` where it `must_stop`, `ShortHistory`, and the RPC's own errors. There is no history of blocks
    that are only processed: `processed` is read as `confirmed`.
    """
    commitment = Commitment.CONFIRMED if commitment is Commitment.PROCESSED else commitment
    listed: dict[str, SignatureRecord] = {}
    final = {} if final is None else final
    effects: dict[str, Effect] = {}
    first_slots: list[int | None] = []
    wanted = dict.fromkeys((owner, *token_accounts))
    searched: set[Pubkey] = set()
    while unsearched := [address for address in wanted if address not in searched]:
        for address in unsearched:
            first = await list_transactions(
                rpc, address, listed, commitment, since, max_signatures, min_context_slot, begins_before
            )
            first_slots.append(first)
        searched.update(unsearched)
        accounts = frozenset(searched - {owner})
        effects |= {each: final[each] for each in listed if each in final}
        unread = [one for each, one in listed.items() if one.err is None and each not in effects]
        for start in range(0, len(unread), TRANSACTIONS_AT_ONCE):
            if must_stop():
                raise HistoryUnfinished(f"{owner}: {len(unread) - start} transactions are left to be read")
            batch = unread[start : start + TRANSACTIONS_AT_ONCE]
            read_now = await _effects(rpc, batch, owner, accounts, commitment)
            effects |= read_now
            final |= {one.signature: read_now[one.signature] for one in batch if _is_final(one, read_now)}
        # Listed newest first; that order stands where nothing else tells the order within a slot.
        ordered = in_order(reversed([effects[each] for each in listed if each in effects]))
        statement = _statement(owner, ordered, accounts, homes)
        wanted |= dict.fromkeys(statement.owned.keys() - without)
    return History(statement, _known_since(first_slots, listed.values()), Evidence.WHOLE, len(effects))


async def _effects(
    rpc: Rpc,
    records: Iterable[SignatureRecord],
    owner: Pubkey,
    accounts: frozenset[Pubkey],
    commitment: Commitment,
) -> dict[str, Effect]:
    """What these transactions did, by signature, without those that failed after all."""
    read_now = await all_of(rpc.listed_transaction(each.signature, commitment=commitment) for each in records)
    return {one.signature: effect_of(one, owner, accounts) for one in read_now if one.err is None}


def _is_final(record: SignatureRecord, effects: Mapping[str, Effect]) -> bool:
    return record.confirmation is Commitment.FINALIZED and record.signature in effects


async def read_newest(
    rpc: Rpc,
    owner: Pubkey,
    address: Pubkey,
    *,
    mint: Pubkey | None,
    balance: int,
    made_at: datetime,
    was_opened: bool = True,
    commitment: Commitment,
    homes: Homes = NO_HOMES,
    min_context_slot: int | None = None,
) -> History | None:
    """The entries by which `address` (the wallet or a token account of it) came to hold `balance` base units of `mint`.

    Its transactions are read from the newest on, until they add up to the balance and at most one is left, from
    before `made_at`, when the payment was made. That one opened the account, and is not read: before it there was
    nothing, after it there was nothing, and to bring money and take it away takes two. Where nothing `was_opened` for
    the payment none is left unread. None where so little does not explain the balance.

    Raises as `read` does.
    """
    commitment = Commitment.CONFIRMED if commitment is Commitment.PROCESSED else commitment
    page = await rpc.history_page(
        address, commitment=commitment, limit=NEWEST, min_context_slot=min_context_slot
    )
    if len(page.records) == NEWEST:
        return None
    unread = [record for record in page.records if record.err is None]
    accounts = frozenset({address}) - {owner}
    effects: list[Effect] = []
    while True:
        explained = sum(_gained(effect, address, mint) for effect in effects)
        if (
            explained == balance
            and all(_is_before(record, made_at) for record in unread)
            and len(unread) <= (1 if was_opened else 0)
        ):
            first_slot = _known_since([page.first_available_slot], page.records)
            statement = _statement(owner, in_order(effects), accounts, homes)
            succeeded = sum(record.err is None for record in page.records)
            return History(statement, first_slot, Evidence.NEWEST, succeeded)
        if not unread:
            return None
        record = await rpc.listed_transaction(unread.pop(0).signature, commitment=commitment)
        if record.err is None:
            effects.insert(0, effect_of(record, owner, accounts))


def effect_of(
    record: TransactionRecord, owner: Pubkey, token_accounts: frozenset[Pubkey] = frozenset()
) -> Effect:
    """What one successful transaction did to the accounts that it names.

    `token_accounts` are taken for `owner`'s where the node doesn't tell the owner of a token balance.
    """
    before = {one.account_index: one for one in record.pre_token_balances}
    after = {one.account_index: one for one in record.post_token_balances}
    changes = (
        _change(record, index, before.get(index), after.get(index), owner, token_accounts)
        for index in range(len(record.account_keys))
    )
    return Effect(
        signature=record.signature,
        slot=record.slot,
        block_time=record.block_time,
        fee=record.fee,
        fee_payer=record.account_keys[0] if record.account_keys else owner,
        changes=tuple(one for one in changes if one is not None),
    )


def _change(
    record: TransactionRecord,
    index: int,
    before: TokenBalance | None,
    after: TokenBalance | None,
    owner: Pubkey,
    token_accounts: frozenset[Pubkey],
) -> Change | None:
    address = record.account_keys[index]
    lamports = record.pre_balances[index], record.post_balances[index]
    held = after or before
    if held is None:
        return Change(address, address, *lamports) if lamports[0] != lamports[1] else None
    holder = held.owner or (owner if address in token_accounts else address)
    return Change(
        address=address,
        holder=holder,
        lamports_before=lamports[0],
        lamports_after=lamports[1],
        mint=held.mint,
        tokens_before=0 if before is None else before.amount,
        tokens_after=0 if after is None else after.amount,
        opened=before is None,
        closed=after is None,
    )


def _statement(
    owner: Pubkey, effects: Sequence[Effect], accounts: frozenset[Pubkey], homes: Homes
) -> Statement:
    return statement_of(owner, effects, accounts=accounts, homes=homes, native_mints=NATIVE_MINTS)


def _gained(effect: Effect, address: Pubkey, mint: Pubkey | None) -> int:
    """What one account gained of a mint, or of lamports; of wrapped SOL all its lamports count."""
    return sum(
        one.lamports_after - one.lamports_before
        if mint is None or mint in NATIVE_MINTS
        else one.tokens_after - one.tokens_before
        for one in effect.changes
        if one.address == address
    )


async def list_transactions(
    rpc: Rpc,
    address: Pubkey,
    listed: dict[str, SignatureRecord],
    commitment: Commitment,
    since: datetime | None,
    max_signatures: int,
    min_context_slot: int | None,
    begins_before: int | None = None,
) -> int | None:
    """Add an address' transactions to `listed`, newest first; returns the oldest slot that all nodes that were asked
    still have, None where one does not tell.

    Raises `HistoryTooLong` where more than `max_signatures` are listed then, `UnknownCursor`, and the RPC's own errors.
    """
    before: str | None = None
    restarts = 0
    first_slots: list[int | None] = []
    while True:
        try:
            answer = await rpc.history_page(
                address,
                commitment=commitment,
                before=before,
                limit=PAGE,
                min_context_slot=min_context_slot,
                begins_before=begins_before,
            )
        except UnknownCursor:
            if before is None or restarts == RESTARTS:
                raise
            restarts += 1
            before = None
            continue
        page = answer.records
        first_slots.append(answer.first_available_slot)
        for record in page:
            if since is None or record.block_time is None or record.block_time >= since:
                listed.setdefault(record.signature, record)
        if len(listed) > max_signatures:
            raise HistoryTooLong(f"{address}: more than {max_signatures} transactions")
        if len(page) < SHORTEST_FULL_PAGE or _reaches(page, since):
            return _highest(first_slots)
        before = page[-1].signature


def _highest(first_slots: Iterable[int | None]) -> int | None:
    told = list(first_slots)
    return None if None in told else max((one for one in told if one is not None), default=0)


def _known_since(first_slots: Sequence[int | None], listed: Iterable[SignatureRecord]) -> int | None:
    """Since which slot a history is complete: as the nodes tell, and by the oldest example of one that does not."""
    told = _highest(first_slots)
    if told is not None:
        return told
    example = min((one.slot for one in listed), default=None)
    return None if example is None else _highest([example, *(one for one in first_slots if one is not None)])


def _reaches(page: Sequence[SignatureRecord], since: datetime | None) -> bool:
    """Whether the page, newest first, goes back beyond `since`."""
    return since is not None and any(
        record.block_time is not None and record.block_time < since for record in page
    )


def _is_before(record: SignatureRecord, moment: datetime) -> bool:
    return record.block_time is not None and record.block_time <= moment
