"""Operation costs: what each operation sent, what it cost and what came back, in lamports."""

from collections import Counter

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger.summary import LANDED
from solpay_pipeline.ledger.tables import MovementKind, TransactionState, leg, movement, transaction
from solpay_pipeline.reports.window import Window

OPERATIONS = ("expire", "sweep", "reclaim", "recheck")

COLUMNS = ("landed", "failed", "lost", "in_flight", "signatures", "wallets", "fees", "rent_back")

_COLUMN_OF = {
    TransactionState.RECORDED: "in_flight",
    TransactionState.CONFIRMED: "landed",
    TransactionState.FINALIZED: "landed",
    TransactionState.FAILED: "failed",
    TransactionState.REFUSED: "lost",
    TransactionState.DEAD: "lost",
}


def operation_costs(connection: Connection, window: Window) -> pd.DataFrame:
    """One row for each operation, by when its transactions were signed.

    `landed`, `failed` (which cost their fee all the same), `lost` (never landed, cost nothing) and `in_flight` count
    transactions; `signatures` and `wallets` are those of the landed ones; `fees` and `rent_back` are lamports.
    """
    inside = (transaction.c.created_at >= window.start) & (transaction.c.created_at < window.end)
    sums: Counter[tuple[str, str]] = Counter()
    rows = connection.execute(
        sa.select(
            transaction.c.operation, transaction.c.state, transaction.c.fee, transaction.c.signature_count
        ).where(inside)
    )
    for operation, state, fee, signatures in rows:
        column = _COLUMN_OF[TransactionState(state)]
        sums[operation, column] += 1
        if column in ("landed", "failed"):
            sums[operation, "fees"] += fee
        if column == "landed":
            sums[operation, "signatures"] += signatures
    legs = connection.execute(
        sa.select(transaction.c.operation, sa.func.count())
        .join(leg, leg.c.transaction_id == transaction.c.id)
        .where(inside, transaction.c.state.in_(LANDED))
        .group_by(transaction.c.operation)
    )
    for operation, count in legs:
        sums[operation, "wallets"] += count
    rents = connection.execute(
        sa.select(transaction.c.operation, movement.c.amount)
        .join(leg, leg.c.transaction_id == transaction.c.id)
        .join(movement, movement.c.leg_id == leg.c.id)
        .where(inside, transaction.c.state.in_(LANDED), movement.c.kind == MovementKind.RENT)
    )
    for operation, amount in rents:
        sums[operation, "rent_back"] += amount
    return pd.DataFrame(
        [
            {"operation": operation, **{column: sums[operation, column] for column in COLUMNS}}
            for operation in OPERATIONS
        ],
        columns=["operation", *COLUMNS],
        dtype=object,
    )
