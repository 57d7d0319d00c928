"""The outbox as an operator sees it: what is waiting, dead or delivered, and sending it again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among
from solpay_pipeline.ledger.deliveries import Ending, add_missing
from solpay_pipeline.ledger.tables import delivery, event


class EventState(StrEnum):
    """How far an event is with its sinks."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    """A sink has given up, and no other is still to be tried."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """An event at one sink; `outcome` is None while it is still to be tried."""

    sink: str
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    ended_at: datetime | None
    outcome: str | None

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "sink": self.sink,
            "outcome": self.outcome or EventState.WAITING.value,
            "attempts": self.attempts,
            "next_attempt_at": None if self.ended_at else self.next_attempt_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "last_error": self.last_error,
        }


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event and its deliveries."""

    event_id: str
    kind: str
    payment_id: int | None
    wallet_id: int | None
    body: Mapping[str, object]
    operation: str
    run_id: str
    created_at: datetime
    state: EventState
    deliveries: tuple[DeliveryRecord, ...]

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "id": self.event_id,
            "type": self.kind,
            "payment_id": self.payment_id,
            "wallet_id": self.wallet_id,
            "operation": self.operation,
            "run_id": self.run_id,
            "created_at": self.created_at.isoformat(),
            "state": self.state.value,
            "deliveries": [one.as_json() for one in self.deliveries],
            "data": dict(self.body),
        }


def records(
    connection: Connection,
    *,
    states: Collection[EventState] = tuple(EventState),
    event_ids: Collection[str] | None = None,
    payment_id: int | None = None,
    limit: int = 100,
) -> list[EventRecord]:
    """The newest `limit` events in one of `states`, oldest first."""
    query = sa.select(event, _state().label("state")).where(_state().in_([one.value for one in states]))
    if event_ids is not None:
        query = query.where(event.c.event_id.in_(list(event_ids)))
    if payment_id is not None:
        query = query.where(event.c.payment_id == payment_id)
    rows = list(connection.execute(query.order_by(event.c.id.desc()).limit(limit)))[::-1]
    deliveries = _deliveries(connection, [row.id for row in rows])
    return [
        EventRecord(
            event_id=row.event_id,
            kind=row.kind,
            payment_id=row.payment_id,
            wallet_id=row.wallet_id,
            body=row.body,
            operation=row.operation,
            run_id=row.run_id,
            created_at=row.created_at,
            state=EventState(row.state),
            deliveries=tuple(deliveries.get(row.id, ())),
        )
        for row in rows
    ]


def retry(connection: Connection, event_ids: Collection[str] | None, now: datetime) -> int:
    """Make dead and waiting deliveries due now, with all tries left. `event_ids` None: those of all events.

    Returns the number of deliveries. What a sink has taken stays taken. Claimed deliveries become due too, so an event
    that is being sent may arrive twice, with one id.
    """
    query = (
        sa.update(delivery)
        .where(delivery.c.outcome.is_distinct_from(Ending.TAKEN))
        .values(attempts=0, next_attempt_at=now, ended_at=None, outcome=None, claim=None, claimed_until=None)
    )
    if event_ids is not None:
        chosen = sa.select(event.c.id).where(event.c.event_id.in_(list(event_ids)))
        query = query.where(delivery.c.event_row.in_(chosen))
    return connection.execute(query).rowcount


def replay(
    connection: Connection, sinks: Sequence[str], since: datetime, until: datetime | None, now: datetime
) -> int:
    """Send these sinks all events of a time again, with the same ids; returns the number of events."""
    chosen = sa.select(event.c.id).where(event.c.created_at >= since)
    if until is not None:
        chosen = chosen.where(event.c.created_at < until)
    for sink in sinks:
        add_missing(connection, sink, chosen, now)
    connection.execute(
        sa.update(delivery)
        .where(delivery.c.sink.in_(list(sinks)), delivery.c.event_row.in_(chosen))
        .values(
            attempts=0,
            next_attempt_at=now,
            ended_at=None,
            outcome=None,
            remaining=None,
            # A delivery under way does not count any more.
            claim=None,
            claimed_until=None,
        )
    )
    return connection.execute(sa.select(sa.func.count()).select_from(chosen.subquery())).scalar_one()


def counts(connection: Connection) -> dict[EventState, int]:
    """How many events there are in each state."""
    state = _state()
    rows = connection.execute(
        sa.select(state.label("state"), sa.func.count().label("number")).group_by(state)
    )
    found = {row.state: row.number for row in rows}
    return {one: found.get(one.value, 0) for one in EventState}


def _state() -> sa.ColumnElement[str]:
    """An open delivery makes its event wait, also one that was delivered or dead before."""
    is_open = sa.exists().where(delivery.c.event_row == event.c.id, delivery.c.ended_at.is_(None))
    return sa.case(
        (is_open, EventState.WAITING.value),
        (event.c.delivered_at.is_not(None), EventState.DELIVERED.value),
        (event.c.dead_at.is_not(None), EventState.DEAD.value),
        else_=EventState.WAITING.value,
    )


def _deliveries(connection: Connection, event_rows: Sequence[int]) -> dict[int, list[DeliveryRecord]]:
    found: dict[int, list[DeliveryRecord]] = {}
    for row in connection.execute(
        sa.select(delivery).where(among(connection, delivery.c.event_row, event_rows)).order_by(delivery.c.id)
    ):
        found.setdefault(row.event_row, []).append(
            DeliveryRecord(
                sink=row.sink,
                attempts=row.attempts,
                next_attempt_at=row.next_attempt_at,
                last_error=row.last_error,
                ended_at=row.ended_at,
                outcome=row.outcome,
            )
        )
    return found
