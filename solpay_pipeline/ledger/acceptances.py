"""Which payments are known to be accepted, and by whom: each acceptance gets one event, no matter who made it.

The peer's verify endpoint and operators accept payments too, and leave no trace but the row. Payments accepted before
the first run get no event; later ones are claimed by the first who writes them here.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among, insert_into
from solpay_pipeline.ledger.tables import acceptance

# Payment ids start at 1; this row says that earlier acceptances are recorded.
_BEGINNING = 0


class Source(StrEnum):
    """Who accepted a payment."""

    PIPELINE = "pipeline"
    PEER = "peer"
    """The peer's verify endpoint or service, an operator, or other code that writes the row."""
    BEFORE = "before"
    """Accepted before the pipeline's first run here."""


def has_begun(connection: Connection) -> bool:
    """Whether earlier acceptances are recorded."""
    query = sa.select(acceptance.c.payment_id).where(acceptance.c.payment_id == _BEGINNING)
    return connection.execute(query).scalar() is not None


def begin(connection: Connection, accepted: sa.Select[int], now: datetime) -> None:
    """Record the selected payments as accepted before us; does nothing where this was done already."""
    if not claim(connection, [_BEGINNING], Source.BEFORE, now):
        return
    payment_id = accepted.subquery().c[0]
    rows = sa.select(
        payment_id,
        sa.literal(Source.BEFORE.value, sa.String()),
        sa.literal(now, acceptance.c.seen_at.type),
        # SQLite takes the ON of a select without WHERE for a join's (sqlite.org/lang_upsert.html, "Parsing Ambiguity").
    ).where(payment_id > _BEGINNING)
    connection.execute(
        insert_into(connection, acceptance)
        .from_select(["payment_id", "source", "seen_at"], rows)
        .on_conflict_do_nothing()
    )


def unclaimed(connection: Connection, accepted: sa.Select[int], *, after: int, limit: int) -> list[int]:
    """The next `limit` unclaimed payments of a select after the id `after`, by id."""
    payment_id = accepted.subquery().c[0]
    known = sa.exists().where(acceptance.c.payment_id == payment_id)
    # As a sum, so that the planner cannot walk the ids in order, row by row, instead of using an index on the status.
    place = payment_id + 0
    query = sa.select(payment_id).where(place > after, ~known).order_by(place).limit(limit)
    return list(connection.execute(query).scalars())


def claim(connection: Connection, payment_ids: Sequence[int], source: Source, now: datetime) -> set[int]:
    """Record who accepted these payments; returns those that were not claimed before: they need an event now."""
    rows = [{"payment_id": one, "source": source.value, "seen_at": now} for one in sorted(payment_ids)]
    if not rows:
        return set()
    made = (
        insert_into(connection, acceptance)
        .values(rows)
        .on_conflict_do_nothing()
        .returning(acceptance.c.payment_id)
    )
    return set(connection.execute(made).scalars())


def release(connection: Connection, payment_ids: Collection[int]) -> None:
    """Forget who accepted these payments: the shop has taken it back, and another acceptance gets its own event."""
    connection.execute(sa.delete(acceptance).where(among(connection, acceptance.c.payment_id, payment_ids)))
