"""What a database's error means: trouble that passes is waited out, all else is one line at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.base.database_trouble import DatabaseAway, DatabaseProblem, sorted_trouble
from solpay_pipeline.base.waiting import limited_to
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.operations.changes.writing import write_obstacle
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables


class Refusal(psycopg.Error):
    """A server's error with a SQLSTATE."""

    def __init__(self, state: str | None) -> None:
        super().__init__("words")
        self.sqlstate = state


@pytest.mark.parametrize(
    "state", ["08006", "40001", "40P01", "53300", "55P03", "57P01", "57P03", "57014", "58030", None]
)
def test_lost_connections_locks_failovers_and_lost_races_pass(state: str | None) -> None:
    assert isinstance(sorted_trouble(Refusal(state), "shop", "words"), DatabaseAway)


@pytest.mark.parametrize(
    "state", ["25006", "53100", "42501", "42P01", "42703", "3F000", "28P01", "22003", "XX000"]
)
def test_what_stays_so_until_a_person_mends_it_does_not_pass(state: str) -> None:
    trouble = sorted_trouble(Refusal(state), "shop", "words")
    assert isinstance(trouble, DatabaseProblem)
    assert "\n" not in str(trouble)


def test_a_violated_constraint_is_left_to_whoever_writes() -> None:
    assert sorted_trouble(Refusal("23505"), "shop", "words") is None
    assert sorted_trouble(IntegrityError("INSERT", None, sqlite3.IntegrityError()), "shop", "words") is None


@pytest.fixture
def tables_in(engine: Engine) -> Engine:
    """An engine on a database with the peer's tables and ours."""
    create_peer_tables(engine, peer_tables())
    migrate.upgrade(engine)
    return engine


def test_a_database_that_takes_writes_has_no_obstacle_and_is_left_as_it_was(tables_in: Engine) -> None:
    assert write_obstacle(tables_in, peer_tables()) is None
    assert write_obstacle(tables_in, peer_tables()) is None


def test_an_sqlite_file_that_may_not_grow_is_found_full(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    create_peer_tables(engine, peer_tables())
    migrate.upgrade(engine)
    with _on_each_connection(engine, "PRAGMA max_page_count = 1"):
        assert "its disk is full" in str(write_obstacle(engine, peer_tables()))
    engine.dispose()


def test_an_sqlite_file_that_may_not_be_written_is_found_read_only(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    create_peer_tables(engine, peer_tables())
    migrate.upgrade(engine)
    with _on_each_connection(engine, "PRAGMA query_only = ON"):
        assert "it is read-only" in str(write_obstacle(engine, peer_tables()))
    engine.dispose()


@contextmanager
def _on_each_connection(engine: Engine, statement: str) -> Iterator[None]:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(statement)

    engine.dispose()
    event.listen(engine, "connect", prepare)
    yield
    event.remove(engine, "connect", prepare)


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    create_peer_tables(engine, peer_tables())
    migrate.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.mark.postgres
def test_a_role_that_may_only_read_is_told_at_once_which_right_it_lacks(
    on_postgres: Engine, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS looker")
        admin.execute("CREATE ROLE looker LOGIN")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
    with _on_role(postgres_url, "looker") as engine:
        obstacle = str(write_obstacle(engine, peer_tables()))
        assert "permission denied for table" in obstacle
        assert "its role lacks rights: grant SELECT, INSERT, UPDATE and DELETE" in obstacle
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("DROP OWNED BY looker")
        admin.execute("DROP ROLE looker")


@contextmanager
def _on_role(url: str, role: str) -> Iterator[Engine]:
    engine = open_engine(url)

    @event.listens_for(engine, "begin")
    def _become(connection: object) -> None:
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")  # type: ignore[attr-defined]

    yield engine
    engine.dispose()


@pytest.mark.postgres
def test_a_database_that_is_set_to_read_only_is_a_problem_and_not_waited_for(
    on_postgres: Engine, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    on_postgres.dispose()
    assert "it is read-only" in str(write_obstacle(on_postgres, peer_tables()))


@pytest.mark.postgres
def test_a_connection_that_the_server_has_cut_is_opened_anew(on_postgres: Engine, postgres_url: str) -> None:
    connection = on_postgres.connect()
    pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(DatabaseAway):
        connection.execute(text("SELECT 1"))
    connection.close()
    with reading(on_postgres) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


@pytest.mark.postgres
def test_a_connection_that_is_cut_while_it_is_opened_is_opened_again(
    on_postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_postgres.dispose()
    connect = on_postgres.dialect.connect
    cuts = [psycopg.OperationalError("server closed the connection unexpectedly")]

    def cut_once(*arguments: object, **keywords: object) -> object:
        if cuts:
            raise cuts.pop()
        return connect(*arguments, **keywords)

    monkeypatch.setattr(on_postgres.dialect, "connect", cut_once)
    with reading(on_postgres) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_the_lock_of_another_process_is_waited_for_no_longer_than_the_run_has(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    ours, theirs = open_engine(url), open_engine(url)
    with (
        theirs.begin(),
        limited_to(0.05),
        pytest.raises(DatabaseAway, match="database is locked"),
        ours.begin(),
    ):
        pass
    for engine in (ours, theirs):
        engine.dispose()
