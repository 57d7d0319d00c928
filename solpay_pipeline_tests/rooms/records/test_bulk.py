"""Values and rows by the thousand in one parameter, on either database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from solpay_pipeline.base.sql import among, insert_rows
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.tables import event

NOON = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
MORE_THAN_PARAMETERS = 70_000
IN_ONE_RUN = {
    "operation": "expire",
    "run_id": "run",
    "created_at": NOON.astimezone(timezone(timedelta(hours=-8))),
}


def told(number: int, **more: object) -> dict[str, object]:
    row = {
        "event_id": f"evt_{number}",
        "kind": "payment.held",
        "payment_id": number,
        "wallet_id": None,
        "body": {},
    }
    return row | more


@pytest.fixture
def ledger(engine: Engine) -> Engine:
    migrate.upgrade(engine)
    return engine


def test_rows_come_back_as_they_were_put_in(ledger: Engine) -> None:
    body = {
        "words": "Ünïcödé 🜚 \"quoted\" \\ 'single' %s :name \n",
        "holds": {"SOL": str(2**64 - 1)},
        "none": None,
        "NUL": "a\x00b",
        "half of a pair": "\ud800",
    }
    rows = [told(2**62, body=body), told(2)]
    with ledger.begin() as connection:
        insert_rows(connection, event, rows, IN_ONE_RUN)
        insert_rows(connection, event, [], IN_ONE_RUN)
        first, second = connection.execute(sa.select(event).order_by(event.c.id)).all()
    assert (first.payment_id, first.wallet_id, first.body, first.created_at) == (2**62, None, body, NOON)
    assert (second.event_id, second.body, second.delivered_at) == ("evt_2", {}, None)
    assert (second.operation, second.run_id, second.created_at) == ("expire", "run", NOON)


def test_a_list_may_be_longer_than_a_list_of_parameters(ledger: Engine) -> None:
    with ledger.begin() as connection:
        insert_rows(connection, event, [told(number) for number in (1, 5, MORE_THAN_PARAMETERS)], IN_ONE_RUN)
        ids, texts = event.c.payment_id, event.c.event_id
        found = connection.scalars(
            sa.select(ids).where(among(connection, ids, range(2, MORE_THAN_PARAMETERS)))
        )
        assert found.all() == [5]
        all_of_them = among(connection, ids, range(1, MORE_THAN_PARAMETERS + 1))
        assert connection.scalars(sa.select(ids).where(all_of_them)).all() == [1, 5, MORE_THAN_PARAMETERS]
        named = among(connection, texts, ["evt_1", "evt_'"])
        assert connection.scalars(sa.select(texts).where(named)).all() == ["evt_1"]
        assert connection.scalars(sa.select(texts).where(among(connection, texts, []))).all() == []


def test_what_is_no_plain_json_is_not_written_as_something_else(ledger: Engine) -> None:
    row = told(1, body={"payload": object()})
    with pytest.raises((TypeError, sa.exc.StatementError)), ledger.begin() as connection:
        insert_rows(connection, event, [row], IN_ONE_RUN)
    with ledger.begin() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(event)) == 0
