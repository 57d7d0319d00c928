"""Events, written in the same database transaction as the change they tell; delivered later, at least once."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger.entries import RunRef
from solpay_pipeline.ledger.tables import event

_CHUNK = 500


class EventKind(StrEnum):
    """What can be told."""

    PAYMENT_ACCEPTED = "payment.accepted"
    PAYMENT_EXPIRED = "payment.expired"
    PAYMENT_HELD = "payment.held"
    WALLET_SWEPT = "wallet.swept"
    WALLET_CLOSED = "wallet.closed"
    RUN_FAILED = "ops.run_failed"
    """Of no payment: a run of Dagster failed."""


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
    """What was told last of this kind about each payment."""
    ids = list(payment_ids)
    last: dict[int, Mapping[str, object]] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = connection.execute(
            sa.select(event.c.payment_id, event.c.body)
            .where(event.c.payment_id.in_(ids[start : start + _CHUNK]), event.c.kind == kind)
            .order_by(event.c.id)
        )
        last.update((payment_id, body) for payment_id, body in rows)
    return last


def payments_told_in(run: RunRef) -> sa.Select[int]:
    """A select of the payments that an operation of a run has told of, to be joined with what else is known of them."""
    return sa.select(event.c.payment_id).where(
        event.c.run_id == run.run_id, event.c.operation == run.operation, event.c.payment_id.is_not(None)
    )


def append(connection: Connection, events: Sequence[Event], run: RunRef, now: datetime) -> None:
    """Put events into the outbox."""
    if not events:
        return
    connection.execute(
        sa.insert(event),
        [
            {
                "event_id": f"evt_{uuid.uuid4().hex}",
                "kind": one.kind,
                "payment_id": one.payment_id,
                "wallet_id": one.wallet_id,
                "body": dict(one.body),
                "operation": run.operation,
                "run_id": run.run_id,
                "created_at": now,
            }
            for one in events
        ],
    )
