"""What each sink has taken from the outbox: one row for each event and sink, made when the sink is first served.

A row is claimed for a time before its event is sent, so that two deliverers do not send it at once. Where a deliverer
dies, its claim runs out and the event is sent again with the same id. Of a payment's events only the oldest that a sink
is not done with can be claimed, which keeps them in order.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import insert_into
from solpay_pipeline.ledger.tables import delivery, event


class Ending(StrEnum):
    """How a sink is done with an event."""

    TAKEN = "taken"
    DEAD = "dead"
    """Given up after the last try; `solpay events retry` tries again."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that only this process may send to a sink until its claim runs out.

    `attempts` were made before; `remaining` names the parts of the sink that still have to take it, None for all.
    """

    row: int
    claim: str
    attempts: int
    remaining: tuple[str, ...] | None
    event_id: str
    kind: str
    payment_id: int | None
    body: Mapping[str, object]
    created_at: datetime


def enroll(connection: Connection, sink: str, now: datetime, limit: int) -> int:
    """Make a sink's rows for the next `limit` open events without one, oldest first; returns how many."""
    mine = sa.exists().where(delivery.c.event_row == event.c.id, delivery.c.sink == sink)
    fresh = (
        sa.select(event.c.id)
        .where(event.c.delivered_at.is_(None), event.c.dead_at.is_(None), ~mine)
        .order_by(event.c.id)
        .limit(limit)
    )
    return add_missing(connection, sink, fresh, now)


def add_missing(connection: Connection, sink: str, event_rows: sa.Select[tuple[int]], now: datetime) -> int:
    """Make a sink's rows for those events of a select that have none; returns how many were made."""
    rows = sa.select(
        event.c.id,
        event.c.payment_id,
        sa.literal(sink, sa.String()),
        sa.literal(now, delivery.c.next_attempt_at.type),
    ).where(event.c.id.in_(event_rows))
    names = ["event_row", "payment_id", "sink", "next_attempt_at"]
    # Another deliverer may make the same rows at the same time.
    made = insert_into(connection, delivery).from_select(names, rows).on_conflict_do_nothing()
    return len(connection.execute(made.returning(delivery.c.id)).all())


def claim(connection: Connection, sink: str, *, now: datetime, lease: timedelta, limit: int) -> list[Claimed]:
    """Claim up to `limit` due events for a sink, at most one of each payment, oldest first."""
    # PostgreSQL may run a subquery once for each row, and its limit with it; a CTE that locks is run once.
    heads = (
        _heads(sink, now)
        .order_by(delivery.c.event_row)
        .limit(limit)
        .with_for_update(skip_locked=True, of=delivery)
        .cte("heads")
    )
    token = uuid.uuid4().hex
    connection.execute(
        sa.update(delivery)
        .where(delivery.c.id.in_(sa.select(heads.c.id)), delivery.c.ended_at.is_(None), _is_free(now))
        .values(claim=token, claimed_until=now + lease)
    )
    rows = connection.execute(
        sa.select(delivery.c.id, delivery.c.attempts, delivery.c.remaining, event)
        .join(event, event.c.id == delivery.c.event_row)
        .where(delivery.c.claim == token)
        .order_by(delivery.c.event_row)
    )
    return [
        Claimed(
            row=row[0],
            claim=token,
            attempts=row.attempts,
            remaining=None if row.remaining is None else tuple(row.remaining),
            event_id=row.event_id,
            kind=row.kind,
            payment_id=row.payment_id,
            body=row.body,
            created_at=row.created_at,
        )
        for row in rows
    ]


def end(
    connection: Connection, one: Claimed, ending: Ending, now: datetime, error: str | None = None
) -> bool:
    """Record that the sink is done with a claimed event; False where the claim had run out and another has it."""
    return _settle(
        connection,
        one,
        attempts=one.attempts + 1,
        ended_at=now,
        outcome=ending,
        last_error=error,
        remaining=None if ending is Ending.TAKEN else delivery.c.remaining,
    )


def postpone(
    connection: Connection,
    one: Claimed,
    *,
    error: str,
    next_attempt_at: datetime,
    remaining: Sequence[str] | None,
) -> bool:
    """Record a failed try; False where the claim had run out and another has it."""
    return _settle(
        connection,
        one,
        attempts=one.attempts + 1,
        next_attempt_at=next_attempt_at,
        last_error=error,
        remaining=None if remaining is None else list(remaining),
    )


def release(connection: Connection, one: Claimed) -> bool:
    """Give a claim back unused; no try is counted."""
    return _settle(connection, one)


def close_events(connection: Connection, sinks: Sequence[str], now: datetime) -> None:
    """Mark the events that all of these sinks have taken, and those that some have given up."""
    ended = (
        sa.select(sa.func.count())
        .select_from(delivery)
        .where(
            delivery.c.event_row == event.c.id,
            delivery.c.sink.in_(list(sinks)),
            delivery.c.ended_at.is_not(None),
        )
    )
    taken = ended.where(delivery.c.outcome == Ending.TAKEN).scalar_subquery()
    connection.execute(
        sa.update(event)
        .where(event.c.delivered_at.is_(None), taken == len(sinks))
        .values(delivered_at=now, dead_at=None)
    )
    connection.execute(
        sa.update(event)
        .where(
            event.c.delivered_at.is_(None), event.c.dead_at.is_(None), ended.scalar_subquery() == len(sinks)
        )
        .values(dead_at=now)
    )


def is_due(connection: Connection, sinks: Sequence[str], now: datetime) -> bool:
    """Whether there is anything to send to one of these sinks now."""
    for sink in sinks:
        mine = sa.exists().where(delivery.c.event_row == event.c.id, delivery.c.sink == sink)
        fresh = sa.select(event.c.id).where(event.c.delivered_at.is_(None), event.c.dead_at.is_(None), ~mine)
        if any(
            connection.execute(query.limit(1)).first() is not None for query in (fresh, _heads(sink, now))
        ):
            return True
    return False


def open_counts(connection: Connection, sinks: Sequence[str]) -> dict[str, int]:
    """How many events each of these sinks is not done with; events without a row do not count."""
    counted = connection.execute(
        sa.select(delivery.c.sink, sa.func.count().label("number"))
        .where(delivery.c.sink.in_(list(sinks)), delivery.c.ended_at.is_(None))
        .group_by(delivery.c.sink)
    )
    found = {row.sink: row.number for row in counted}
    return {sink: found.get(sink, 0) for sink in sinks}


def _heads(sink: str, now: datetime) -> sa.Select[tuple[int]]:
    """Rows that may be sent now: due, unclaimed, and the oldest open one of their payment at this sink."""
    earlier = delivery.alias()
    return sa.select(delivery.c.id).where(
        delivery.c.sink == sink,
        delivery.c.ended_at.is_(None),
        delivery.c.next_attempt_at <= now,
        _is_free(now),
        ~sa.exists().where(
            earlier.c.payment_id == delivery.c.payment_id,
            earlier.c.sink == sink,
            earlier.c.ended_at.is_(None),
            earlier.c.event_row < delivery.c.event_row,
        ),
    )


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return delivery.c.claimed_until.is_(None) | (delivery.c.claimed_until < now)


def _settle(connection: Connection, one: Claimed, **values: object) -> bool:
    settled = connection.execute(
        sa.update(delivery)
        .where(delivery.c.id == one.row, delivery.c.claim == one.claim)
        .values(claim=None, claimed_until=None, **values)
    )
    return settled.rowcount == 1
