"""What the fee payer has spent by the ledger, against what it may spend in a run and in a UTC day.

A transaction counts once it is recorded, since it may land from then on; a refused or dead one costs nothing.
Concurrent processes share the day: the last check is in the database transaction that records.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.errors import Passing
from solpay_pipeline.ledger.tables import TransactionState, transaction

_COSTS = (
    TransactionState.RECORDED,
    TransactionState.CONFIRMED,
    TransactionState.FINALIZED,
    TransactionState.FAILED,
)

# Any number that no other program of the shop locks: "solpay" in ASCII.
_LOCK = 0x736F6C706179


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """In lamports; None: no limit."""

    per_run: int | None = None
    per_day: int | None = None


class LimitReached(Passing):
    """The next transaction would exceed what may be spent. `reason` is for programs, the text for people."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def check(
    connection: Connection, limits: SpendingLimits, run_id: str, now: datetime, *, more: int = 0
) -> None:
    """Raises `LimitReached` where the ledger's spending plus `more` lamports exceeds a limit.

    Called after recording, in the same database transaction, other processes that record wait for its end.
    """
    if limits.per_run is not None:
        spent = _spent(connection, transaction.c.run_id == run_id)
        if spent + more > limits.per_run:
            raise LimitReached("max_spent_per_run", _words("run", limits.per_run, spent + more))
    if limits.per_day is not None:
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        spent = _spent(connection, transaction.c.created_at >= day)
        if spent + more > limits.per_day:
            raise LimitReached("max_spent_per_day", _words("UTC day", limits.per_day, spent + more))


def take_turns(connection: Connection, limits: SpendingLimits) -> None:
    """Let one process at a time check and record, until its transaction ends. SQLite has one writer anyway."""
    if limits.per_day is not None and connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _spent(connection: Connection, which: sa.ColumnElement[bool]) -> int:
    # Amounts are text on SQLite; no fee comes near what BIGINT holds.
    fee, rent = (sa.cast(column, sa.BigInteger) for column in (transaction.c.fee, transaction.c.rent_paid))
    cost = fee + sa.case((transaction.c.state == TransactionState.FAILED, 0), else_=rent)
    spent = connection.execute(
        sa.select(sa.func.sum(cost)).where(which, transaction.c.state.in_(_COSTS))
    ).scalar()
    return int(spent or 0)


def _words(period: str, limit: int, cost: int) -> str:
    name = "SOLPAY_MAX_SPENT_PER_RUN" if period == "run" else "SOLPAY_MAX_SPENT_PER_DAY"
    return f"the {period}'s fees and rent would come to {cost} lamports; {limit} may be spent ({name})"
