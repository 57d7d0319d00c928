"""Where money may go is said by an operator, kept, and reported with it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.ledger import audit, installation, outbox
from solpay_pipeline.ledger.installation import NotAllowed
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.tables import event
from solpay_pipeline.operations.receivers import allow_receiver, revoke_receiver

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOME = Pubkey.new_unique()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    migrate.upgrade(engine)
    yield engine
    engine.dispose()


def bodies(engine: Engine) -> list[dict[str, object]]:
    with reading(engine) as connection:
        rows = connection.execute(sa.select(event.c.kind, event.c.body).order_by(event.c.id)).all()
    assert {row.kind for row in rows} <= {"ops.receiver_changed"}
    return [row.body for row in rows]


def test_each_change_is_an_entry_and_an_event_with_its_hash(engine: Engine) -> None:
    since = allow_receiver(engine, HOME, "we moved", NOW, delay=timedelta(hours=24))
    assert since == NOW + timedelta(hours=24)
    revoke_receiver(engine, HOME, "its key was stolen", NOW)
    with reading(engine) as connection:
        first, second = audit.entries(connection)
    assert bodies(engine) == [
        {
            "address": str(HOME),
            "change": "allowed",
            "effective_at": since.isoformat(),
            "reason": "we moved",
            "audit_head": first.hash,
        },
        {
            "address": str(HOME),
            "change": "revoked",
            "effective_at": NOW.isoformat(),
            "reason": "its key was stolen",
            "audit_head": second.hash,
        },
    ]


def test_what_is_refused_leaves_neither(engine: Engine) -> None:
    with pytest.raises(NotAllowed):
        revoke_receiver(engine, HOME, "whose is it", NOW)
    assert bodies(engine) == []


def test_what_cannot_be_reported_is_not_allowed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(outbox, "append", full)
    with pytest.raises(OSError, match="full"):
        allow_receiver(engine, HOME, "we moved", NOW)
    with reading(engine) as connection:
        assert installation.receivers(connection) == []
        assert audit.entries(connection) == []
