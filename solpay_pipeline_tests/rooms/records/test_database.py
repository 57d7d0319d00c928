"""Opening a database: which URLs are served, how it fails, and that two processes can write."""

import multiprocessing
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, StatementError

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.base.database_trouble import (
    BadDatabaseUrl,
    DatabaseAway,
    DatabaseProblem,
    DatabaseTrouble,
    DatabaseUnreachable,
)


def test_both_kinds_of_database_open_and_answer(engine: Engine) -> None:
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT 40 + 2")) == 42


@pytest.mark.postgres
def test_postgres_urls_are_served_by_psycopg_3_whatever_their_scheme(postgres_url: str) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        engine = open_engine(postgres_url.replace("postgresql", scheme, 1))
        assert engine.dialect.driver == "psycopg"
        engine.dispose()


def test_an_sqlite_file_is_opened_for_durable_concurrent_use(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}")
    with reading(engine) as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 50, "synchronous": 2}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "cannot be parsed"),
        ("not a url with s3cret", "cannot be parsed"),
        ("mysql://root:s3cret@localhost/shop", "begins with 'mysql'"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_a_bad_url_is_told_in_one_line_without_its_password(url: str, says: str) -> None:
    with pytest.raises(BadDatabaseUrl, match=says) as caught:
        open_engine(url)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match="folder of the SQLite database does not exist"):
        open_engine(f"sqlite:///{tmp_path}/nowhere/shop.sqlite3")
    with pytest.raises(DatabaseUnreachable, match="is a folder, not a file"):
        open_engine(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as a header of one" * 20)
    with pytest.raises(DatabaseUnreachable, match="file is not a database"):
        open_engine(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_a_server_that_does_not_answer_is_told_without_the_password() -> None:
    with pytest.raises(DatabaseAway) as caught:
        open_engine("postgresql://shop:s3cret@127.0.0.1:9/shop?sslpassword=0ther")
    complaint = str(caught.value)
    assert "postgresql://127.0.0.1:9/shop" in complaint
    assert "refused" in complaint
    assert "\n" not in complaint
    assert "s3cret" not in complaint
    assert "0ther" not in complaint
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_two_writers_that_read_first_take_turns(engine: Engine) -> None:
    """Without BEGIN IMMEDIATE one of the two fails at once on SQLite: "database is locked"."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    lock = " FOR UPDATE" if engine.dialect.name == "postgresql" else ""
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(25):
                with engine.begin() as connection:
                    seen = connection.scalar(text("SELECT n FROM counter" + lock))
                    connection.execute(text("UPDATE counter SET n = :n"), {"n": seen + 1})
        except DatabaseTrouble as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT n FROM counter")) == 50


def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_its_work(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
    with engine.begin() as writer:
        writer.execute(text("INSERT INTO counter VALUES (1)"))
        with reading(engine) as reader:
            assert reader.scalar(text("SELECT count(*) FROM counter")) == 0


@pytest.mark.postgres
def test_postgresql_refuses_a_write_while_reading_and_takes_the_next_one(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
    with pytest.raises(DatabaseProblem, match="read-only transaction"), reading(engine) as connection:
        connection.execute(text("INSERT INTO counter VALUES (1)"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO counter VALUES (1)"))
    engine.dispose()


def test_a_failed_statement_is_told_without_its_parameters(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE vault (id INTEGER PRIMARY KEY, secret TEXT)"))
        connection.execute(text("INSERT INTO vault VALUES (1, 'a')"))
    with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
        connection.execute(text("INSERT INTO vault VALUES (1, :secret)"), {"secret": "gAAAAAsealed"})
    assert isinstance(caught.value, StatementError)
    assert "gAAAAAsealed" not in str(caught.value)


def _open_and_write(url: str) -> str | None:
    try:
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS guests (n INTEGER)"))
            connection.execute(text("INSERT INTO guests VALUES (1)"))
        engine.dispose()
    except DatabaseTrouble as error:
        return str(error)
    return None


def test_processes_that_open_a_new_sqlite_file_at_once_all_succeed(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        for attempt in range(8):
            urls = [f"sqlite:///{tmp_path / f'{attempt}.sqlite3'}"] * 3
            assert pool.map(_open_and_write, urls, chunksize=1) == [None] * 3
