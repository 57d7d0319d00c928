"""What an operation of a run has done, read from the ledger, so that a retried step counts everything once."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import MovementKind, TransactionState, event, leg, movement, transaction
from solpay_pipeline.lifecycle.findings import Finding

LANDED = (TransactionState.CONFIRMED, TransactionState.FINALIZED)


@dataclass(frozen=True, slots=True)
class Summary:
    """`moved` is what landed at the receiver, in base units by mint (None for lamports)."""

    events: Mapping[str, int]
    transactions: Mapping[str, int]
    signatures: tuple[str, ...]
    moved: Mapping[str | None, int]
    rent: int
    withheld: Mapping[str | None, int]
    fees: int
    findings: tuple[Finding, ...]


def summarize(connection: Connection, run: RunRef, finished: Collection[str] = ()) -> Summary:
    """Everything that this operation of this run has done so far.

    `finished` are the signatures of earlier runs' transactions of which it has seen the end.
    """
    ours = (transaction.c.run_id == run.run_id) & (transaction.c.operation == run.operation)
    if finished:
        ours |= among(connection, transaction.c.signature, finished)
    rows = connection.execute(
        sa.select(transaction.c.signature, transaction.c.state, transaction.c.fee)
        .where(ours)
        .order_by(transaction.c.id)
    ).all()
    paid = [row for row in rows if row.state in (*LANDED, TransactionState.FAILED)]
    sums: Counter[tuple[str, str | None]] = Counter()
    moves = connection.execute(
        sa.select(movement.c.kind, movement.c.mint, movement.c.amount)
        .join(leg, leg.c.id == movement.c.leg_id)
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .where(ours, transaction.c.state.in_(LANDED))
    )
    for kind, mint, amount in moves:
        sums[kind, mint] += amount
    counted = connection.execute(
        sa.select(event.c.kind, sa.func.count())
        .where(event.c.run_id == run.run_id, event.c.operation == run.operation)
        .group_by(event.c.kind)
    )
    transfers = (MovementKind.LAMPORTS, MovementKind.TOKENS)
    return Summary(
        events={row[0]: row[1] for row in counted},
        transactions=Counter(row.state for row in rows),
        signatures=tuple(row.signature for row in paid),
        moved={mint: amount for (kind, mint), amount in sums.items() if kind in transfers},
        rent=sum(amount for (kind, _), amount in sums.items() if kind == MovementKind.RENT),
        withheld={mint: amount for (kind, mint), amount in sums.items() if kind == MovementKind.WITHHELD},
        fees=sum(row.fee for row in paid),
        findings=tuple(one.finding for one in findings.standing(connection, run=run)),
    )
