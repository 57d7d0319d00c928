"""Two runs that write the same row of our own tables at the same moment, on PostgreSQL, where neither waits first."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.seen import looks
from solpay_pipeline.ledger.tables import finding, look
from solpay_pipeline.lifecycle.findings import Finding, FindingCode

NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER: Final = NOW + timedelta(minutes=1)
RUN: Final = RunRef("run", "recheck")

pytestmark = pytest.mark.postgres


@pytest.fixture
def engine(postgres_url: str) -> Engine:
    engine = open_engine(postgres_url)
    migrate.upgrade(engine)
    return engine


def _note(connection: Connection, now: datetime) -> None:
    found = [Finding(FindingCode.SHORT, wallet_id, wallet_id, "short", None, 7) for wallet_id in (2, 1)]
    findings.note(connection, found, RUN, now)


def _look(connection: Connection, now: datetime) -> None:
    looks.rechecked(connection, [3, 1, 2], now)


@pytest.mark.parametrize(("write", "table"), [(_note, finding), (_look, look)])
def test_the_second_of_two_writers_renews_what_the_first_has_written(engine, write, table) -> None:
    raised: list[BaseException] = []

    def second() -> None:
        try:
            with engine.begin() as connection:
                write(connection, LATER)
        except BaseException as error:  # noqa: BLE001  (it is looked at in the test's own thread)
            raised.append(error)

    other = threading.Thread(target=second)
    with engine.begin() as connection:
        write(connection, NOW)
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join()
    engine_rows = _rows(engine, table)
    engine.dispose()
    assert raised == []
    assert len(engine_rows) == (3 if table is look else 2)
    assert {row.looked_at if table is look else row.last_seen_at for row in engine_rows} == {LATER}


def _rows(engine: Engine, table: sa.Table) -> list[sa.Row]:
    with reading(engine) as connection:
        return list(connection.execute(sa.select(table)))
