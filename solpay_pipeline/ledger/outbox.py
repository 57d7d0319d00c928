"""Events, written in the same database transaction as the change they report; delivered later, at least once."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among, insert_rows
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import event


class EventKind(StrEnum):
    """What happened."""

    PAYMENT_ACCEPTED = "payment.accepted"
    PAYMENT_EXPIRED = "payment.expired"
    PAYMENT_HELD = "payment.held"
    PAYMENT_FINALIZED = "payment.finalized"
    PAYMENT_REVERTED = "payment.reverted"
    WALLET_SWEPT = "wallet.swept"
    WALLET_CLOSED = "wallet.closed"
    RUN_FAILED = "ops.run_failed"
    """Not about a payment: a Dagster run failed."""
    RECEIVER_CHANGED = "ops.receiver_changed"
    """Not about a payment: an operator has said where money may go, or may not go any more."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `body` is plain JSON; amounts in it are decimal strings of base units."""

    kind: EventKind
    payment_id: int | None
    wallet_id: int | None
    body: Mapping[str, object] = field(default_factory=dict)


def last_bodies(
    connection: Connection, kind: EventKind, payment_ids: Collection[int]
) -> dict[int, Mapping[str, object]]:
    """The body of each payment's last event of this kind."""
    rows = connection.execute(
        sa.select(event.c.payment_id, event.c.body)
        .where(among(connection, event.c.payment_id, payment_ids), event.c.kind == kind)
        .order_by(event.c.id)
    )
    return {row.payment_id: row.body for row in rows}


def payments_told_in(run: RunRef) -> sa.Select[int]:
    """A select of the payments with an event by an operation of a run, to be joined with other tables."""
    return sa.select(event.c.payment_id).where(
        event.c.run_id == run.run_id, event.c.operation == run.operation, event.c.payment_id.is_not(None)
    )


def append(connection: Connection, events: Sequence[Event], run: RunRef, now: datetime) -> None:
    """Put events into the outbox."""
    rows = [
        {
            "event_id": event_id,
            "kind": one.kind,
            "payment_id": one.payment_id,
            "wallet_id": one.wallet_id,
            "body": dict(one.body),
        }
        for event_id, one in zip(_event_ids(len(events), now), events, strict=True)
    ]
    shared = {"operation": run.operation, "run_id": run.run_id, "created_at": now}
    insert_rows(connection, event, rows, shared)


_RANDOM_BYTES = 10


def _event_ids(count: int, now: datetime) -> list[str]:
    """Ids made like a ULID, 48 bits of milliseconds and 80 random ones, in hexadecimal.

    Ids of one moment are neighbours in the index, which is then written in one place.
    """
    moment = f"evt_{int(now.timestamp() * 1000):012x}"
    digits = secrets.token_hex(_RANDOM_BYTES * count)
    width = 2 * _RANDOM_BYTES
    return [moment + digits[start : start + width] for start in range(0, len(digits), width)]
