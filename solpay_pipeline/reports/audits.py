"""Audits: what must hold at any time between two runs, told by the tables and, where it matters, by the chain.

Each gives an `Audit`; what is wrong is counted in full and named in part. Trouble of the chain is raised, since a check
that could not look has not passed.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.chain.rpc.answers import TransactionRecord
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.summary import LANDED
from solpay_pipeline.ledger.tables import (
    MovementKind,
    TransactionState,
    event,
    finding,
    leg,
    look,
    movement,
    transaction,
)
from solpay_pipeline.lifecycle.terms import ACCEPTED, SWEEPABLE, Commitment, PaymentStatus
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.reports.window import Window

MOST_EXAMPLES = 20

MOST_TRANSACTIONS = 1_000
"""Transactions read in full for one audit of the books, the newest first: one call each."""

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Audit:
    """`figures` are counts, `examples` name what is wrong, at most so many."""

    passed: bool
    words: str
    figures: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Booked:
    """A landed transaction as the ledger has it: base units by mint (None for lamports) and destination."""

    signature: str
    fee: int
    moved: tuple[tuple[str | None, str, int], ...]


def booked(connection: Connection, window: Window) -> list[Booked]:
    """The newest landed transactions signed in the window, with what they moved to where."""
    chosen = connection.execute(
        sa.select(transaction.c.id, transaction.c.signature, transaction.c.fee)
        .where(
            transaction.c.created_at >= window.start,
            transaction.c.created_at < window.end,
            transaction.c.state.in_(LANDED),
        )
        .order_by(transaction.c.id.desc())
        .limit(MOST_TRANSACTIONS)
    ).all()
    moved: dict[int, Counter[tuple[str | None, str]]] = {row.id: Counter() for row in chosen}
    rows = connection.execute(
        sa.select(leg.c.transaction_id, movement.c.mint, movement.c.destination, movement.c.amount)
        .join(movement, movement.c.leg_id == leg.c.id)
        .where(
            leg.c.transaction_id >= min(moved, default=0),
            leg.c.transaction_id <= max(moved, default=-1),
            movement.c.kind != MovementKind.WITHHELD,
        )
    )
    for transaction_id, mint, destination, amount in rows:
        if transaction_id in moved:
            moved[transaction_id][mint, destination] += amount
    return [
        Booked(
            row.signature,
            row.fee,
            tuple((mint, to, amount) for (mint, to), amount in sorted(moved[row.id].items(), key=str)),
        )
        for row in chosen
    ]


async def books_balance(rpc: Rpc, entries: Sequence[Booked]) -> Audit:
    """Each transaction of the ledger is on chain, took the fee that we booked, and moved at least what we booked.

    A token's transfer fee is taken on the way: what arrives of such a mint is what the chain says.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(entry: Booked) -> str | None:
        async with gate:
            record = await rpc.transaction(entry.signature, commitment=Commitment.CONFIRMED)
        return _difference(entry, record)

    found = await asyncio.gather(*(read(entry) for entry in entries))
    wrong = [
        f"{entry.signature}: {why}" for entry, why in zip(entries, found, strict=True) if why is not None
    ]
    return Audit(
        passed=not wrong,
        words=f"{len(entries)} transactions compared with the chain, {len(wrong)} differ",
        figures={
            "transactions": len(entries),
            "differences": len(wrong),
            "fees": sum(entry.fee for entry in entries),
        },
        examples=tuple(wrong[:MOST_EXAMPLES]),
    )


def nothing_waits_too_long(
    connection: Connection, tables: PeerTables, now: datetime, limit: timedelta
) -> Audit:
    """No wallet of an accepted payment waits to be swept for longer than `limit`, but those set aside with a reason."""
    wallet, payment = tables.wallet, tables.payment
    waiting = (
        sa.select(wallet.c.id, wallet.c.updated, findings.is_set_aside(wallet.c.id).label("is_set_aside"))
        .select_from(wallet.join(payment, payment.c.one_time_payment_wallet_id == wallet.c.id))
        .where(
            wallet.c.state.in_([state.value for state in SWEEPABLE]),
            payment.c.status.in_([status.value for status in ACCEPTED]),
            wallet.c.updated < now - limit,
        )
        .order_by(wallet.c.updated)
    )
    rows = connection.execute(waiting).all()
    late = [row for row in rows if not row.is_set_aside]
    hours = limit.total_seconds() / 3600
    return Audit(
        passed=not late,
        words=f"{len(late)} wallets wait to be swept for more than {hours:g} hours; "
        f"{len(rows) - len(late)} more are set aside with a reason",
        figures={"waiting": len(late), "set_aside": len(rows) - len(late)},
        examples=tuple(
            f"wallet {row.id}, since {row.updated:%Y-%m-%d %H:%M}" for row in late[:MOST_EXAMPLES]
        ),
    )


def nothing_is_overdue_in_flight(connection: Connection, finalized_height: int) -> Audit:
    """No transaction is still open though a finalized block is past its last valid one: the next run must settle it."""
    rows = connection.execute(
        sa.select(transaction.c.signature, transaction.c.operation, transaction.c.last_valid_block_height)
        .where(transaction.c.state == TransactionState.RECORDED)
        .order_by(transaction.c.id)
    ).all()
    late = [row for row in rows if row.last_valid_block_height < finalized_height]
    return Audit(
        passed=not late,
        words=f"{len(rows)} transactions are in flight, {len(late)} of them past their last valid block",
        figures={"in_flight": len(rows), "overdue": len(late)},
        examples=tuple(f"{row.signature} of {row.operation}" for row in late[:MOST_EXAMPLES]),
    )


def everything_has_evidence(connection: Connection, tables: PeerTables, since: datetime) -> Audit:
    """Payments that ended since then have evidence: accepted ones a signature or our event, expired ones a look.

    A payment that the peer expired by the clock alone has evidence once we have looked at it, told of it, or brought
    its wallet to rest; one whose time was over before our first event is the peer's own history.
    """
    payment = tables.payment
    begun = connection.scalar(sa.select(sa.func.min(event.c.created_at)))
    told = sa.exists().where(event.c.payment_id == payment.c.id)
    looked = sa.exists().where(look.c.payment_id == payment.c.id)
    noted = sa.exists().where(finding.c.payment_id == payment.c.id)
    ended = payment.c.updated >= (since if begun is None else max(since, begun))
    accepted = sa.exists().where(
        event.c.payment_id == payment.c.id, event.c.kind == EventKind.PAYMENT_ACCEPTED
    )
    unsigned = payment.c.signature.is_(None) | (payment.c.signature == "")
    bare_accepted = _ids(
        connection, payment, ended, payment.c.status.in_([one.value for one in ACCEPTED]), unsigned, ~accepted
    )
    bare_expired = _ids(
        connection,
        payment,
        ended,
        payment.c.status == PaymentStatus.EXPIRED.value,
        *(~told, ~looked, ~noted),
    )
    return Audit(
        passed=not bare_accepted and not bare_expired,
        words=f"{len(bare_accepted)} accepted payments without a signature, "
        f"{len(bare_expired)} expired ones that nobody looked at",
        figures={"accepted_without": len(bare_accepted), "expired_without": len(bare_expired)},
        examples=tuple(
            [f"payment {one}: accepted" for one in bare_accepted]
            + [f"payment {one}: expired" for one in bare_expired]
        )[:MOST_EXAMPLES],
    )


def _ids(connection: Connection, payment: sa.Table, *conditions: sa.ColumnElement[bool]) -> list[int]:
    return list(connection.scalars(sa.select(payment.c.id).where(*conditions).order_by(payment.c.id)))


def _difference(entry: Booked, record: TransactionRecord | None) -> str | None:
    if record is None:
        return "the chain does not know it"
    if record.err is not None:
        return f"it failed on chain: {record.err}"
    if record.fee != entry.fee:
        return f"its fee was {record.fee} lamports, booked are {entry.fee}"
    lamports = _lamport_changes(record)
    tokens, fee_takers = _token_changes(record)
    booked_lamports: Counter[str] = Counter()
    for mint, destination, amount in entry.moved:
        if mint is None:
            booked_lamports[destination] += amount
            continue
        there = tokens[mint, destination]
        if there != amount and not (mint in fee_takers and 0 < there < amount):
            return f"{there} units of {mint} reached {destination}, booked are {amount}"
    fee_payer = str(record.account_keys[0])
    # It also pays the rent of accounts that are made at the destination.
    made = sum(
        after for before, after in zip(record.pre_balances, record.post_balances, strict=True) if not before
    )
    for destination, amount in booked_lamports.items():
        there = lamports[destination]
        is_fee_payer = destination == fee_payer
        gross = there + record.fee if is_fee_payer else there
        if not amount - (made if is_fee_payer else 0) <= gross <= amount:
            return f"{gross} lamports reached {destination}, booked are {amount}"
    return None


def _lamport_changes(record: TransactionRecord) -> Counter[str]:
    pairs = zip(record.account_keys, record.pre_balances, record.post_balances, strict=True)
    return Counter({str(key): after - before for key, before, after in pairs})


def _token_changes(record: TransactionRecord) -> tuple[Counter[tuple[str, str]], set[str]]:
    """What each token account got, and the mints of which less arrived than left."""
    changes: Counter[tuple[str, str]] = Counter()
    sums: Counter[str] = Counter()
    for sign, balances in ((-1, record.pre_token_balances), (1, record.post_token_balances)):
        for one in balances:
            changes[str(one.mint), str(record.account_keys[one.account_index])] += sign * one.amount
            sums[str(one.mint)] += sign * one.amount
    return changes, {mint for mint, total in sums.items() if total < 0}
