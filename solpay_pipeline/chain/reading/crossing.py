"""By which transaction a balance came to reach an amount: found by halving, however many transactions there are.

Each transaction tells the balance after it, so that a few reads decide what ten thousand transfers of dust add up to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.history import HistoryTooLong, list_transactions
from solpay_pipeline.chain.rpc.answers import SignatureRecord, TransactionRecord
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import Unanswered
from solpay_pipeline.lifecycle.terms import Commitment

MOST_LISTED: Final = 50_000
"""Transactions of one address that are listed: fifty calls."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The transaction after which the balance, in base units, was at least an amount, and was less before it.

    `newest` is the last successful transaction of the address, `first_slot` the oldest that every asked node has.
    """

    transaction: SignatureRecord
    balance: int
    newest: SignatureRecord
    first_slot: int | None


async def find_crossing(
    rpc: Rpc,
    address: Pubkey,
    *,
    mint: Pubkey | None,
    amount: int,
    until: datetime,
    at_least: int,
    commitment: Commitment,
    min_context_slot: int | None = None,
) -> Crossing | None:
    """How `address` came to hold `amount` base units of `mint` (None: lamports) by `until`, as block times tell.

    None where fewer than `at_least` transactions name the address, or more than `MOST_LISTED`, or where it held less at
    that time. Raises `Unanswered`, `UnknownCursor` and the RPC's own errors.
    """
    if at_least > 1:
        page = await rpc.history_page(
            address, commitment=commitment, limit=at_least, min_context_slot=min_context_slot
        )
        if len(page.records) < at_least:
            return None
    listed: dict[str, SignatureRecord] = {}
    try:
        first_slot = await list_transactions(
            rpc, address, listed, commitment, None, MOST_LISTED, min_context_slot
        )
    except HistoryTooLong:
        return None
    succeeded = [one for one in reversed(listed.values()) if one.err is None]
    in_time = [one for one in succeeded if one.block_time is not None and one.block_time <= until]
    found = await _halve(rpc, address, mint, amount, in_time, commitment)
    return None if found is None else Crossing(*found, succeeded[-1], first_slot)


async def _halve(
    rpc: Rpc,
    address: Pubkey,
    mint: Pubkey | None,
    amount: int,
    records: Sequence[SignatureRecord],
    commitment: Commitment,
) -> tuple[SignatureRecord, int] | None:
    """The record, of these from the oldest on, that crosses the amount, with the balance after it."""
    if not records:
        return None

    async def balance_after(position: int) -> int:
        read = await rpc.listed_transaction(records[position].signature, commitment=commitment)
        return _balance_after(read, address, mint)

    below, reached = -1, len(records) - 1
    balance = await balance_after(reached)
    if balance < amount:
        return None
    while reached - below > 1:
        middle = (below + reached) // 2
        there = await balance_after(middle)
        if there >= amount:
            reached, balance = middle, there
        else:
            below = middle
    return records[reached], balance


def _balance_after(record: TransactionRecord, address: Pubkey, mint: Pubkey | None) -> int:
    if address not in record.account_keys:
        raise Unanswered(f"{record.signature} is listed for {address}, but does not name it")
    index = record.account_keys.index(address)
    if mint is None:
        return record.post_balances[index]
    held = [one for one in record.post_token_balances if (one.account_index, one.mint) == (index, mint)]
    return sum(one.amount for one in held)
