"""Which payments are known to be accepted, and by whom: each acceptance is told once, whoever made it.

The peer's verify endpoint and hands accept payments too, and leave no trace but the row. What was accepted before the
first run is taken for told; from then on a payment is claimed by the first who writes it here.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import insert_into
from solpay_pipeline.ledger.tables import acceptance

# Payments count from 1; this row says that the ones accepted before are written down.
_BEGINNING = 0


class Source(StrEnum):
    """Who accepted a payment."""

    PIPELINE = "pipeline"
    PEER = "peer"
    """The peer's verify endpoint or service, or a hand: whoever writes the row without us."""
    BEFORE = "before"
    """Accepted before the pipeline's first run here, and told by whoever did."""


def has_begun(connection: Connection) -> bool:
    """Tell whether what was accepted before us is written down."""
    query = sa.select(acceptance.c.payment_id).where(acceptance.c.payment_id == _BEGINNING)
    return connection.execute(query).scalar() is not None


def begin(connection: Connection, accepted: sa.Select[int], now: datetime) -> None:
    """Take the payments that a select names for told; nothing where somebody has begun already."""
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
    """The next `limit` payments behind `after` that a select names and nobody has claimed, by id."""
    payment_id = accepted.subquery().c[0]
    known = sa.exists().where(acceptance.c.payment_id == payment_id)
    # As a sum the id cannot be walked in order, row by row: whoever has an index on the status shall use it.
    place = payment_id + 0
    query = sa.select(payment_id).where(place > after, ~known).order_by(place).limit(limit)
    return list(connection.execute(query).scalars())


def claim(connection: Connection, payment_ids: Sequence[int], source: Source, now: datetime) -> set[int]:
    """Write down who accepted these payments; returns those that nobody had claimed, to be told now."""
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
