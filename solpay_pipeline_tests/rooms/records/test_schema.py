"""The tables we make are the tables that the peer's migrations make."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, inspect, make_url

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.records.schema import create_peer_tables, missing_columns
from solpay_pipeline.records.tables import BadTableName, peer_tables
from solpay_pipeline_tests.beside_the_peer.peer.kit import Peer

RECEIVER = "9oH3Yw9o1u8k6rJ1sMZ9pL5m7f7y7bKz3rXGx9ZyQ1mA"


def peer_at(url: str, **more: Any) -> Peer:
    return Peer(database_url=url, receiver=RECEIVER, fee_payer="[" + ",".join(["1"] * 64) + "]", **more)


@pytest.fixture
def second_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """Another empty database of the same kind."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'django.sqlite3'}"
        return
    name = f"{make_url(database_url).database}_django"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield database_url.replace(str(make_url(database_url).database), name)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def shape(engine: Engine, tables: list[str]) -> list[str]:
    """All that SQLAlchemy's inspector can tell of these tables, as sorted lines."""
    inspector = inspect(engine)
    lines = []
    for table in tables:
        for place, column in enumerate(inspector.get_columns(table)):
            kind = column["type"].compile(engine.dialect)
            rest = {key: column.get(key) for key in ("nullable", "default", "identity", "computed")}
            lines.append(f"{table} column {place} {column['name']} {kind} {rest}")
        lines.append(f"{table} primary key {inspector.get_pk_constraint(table)}")
        lines.extend(f"{table} index {index}" for index in inspector.get_indexes(table))
        lines.extend(f"{table} check {check}" for check in inspector.get_check_constraints(table))
        if engine.dialect.name == "sqlite":
            lines.extend(f"{table} {line}" for line in uniques_and_references_of_sqlite(engine, table))
        else:
            lines.extend(f"{table} unique {unique}" for unique in inspector.get_unique_constraints(table))
            lines.extend(f"{table} reference {each}" for each in inspector.get_foreign_keys(table))
    return sorted(lines)


def uniques_and_references_of_sqlite(engine: Engine, table: str) -> list[str]:
    """By SQLite itself: the inspector does not see them where Django writes them, within a column."""
    lines = []
    with engine.connect() as connection:
        for _, index, unique, origin, partial in connection.exec_driver_sql(f'PRAGMA index_list("{table}")'):
            columns = [row[2] for row in connection.exec_driver_sql(f'PRAGMA index_info("{index}")')]
            lines.append(f"index {columns} unique={unique} origin={origin} partial={partial}")
        lines.extend(
            f"reference {row[3]} to {row[2:]}"
            for row in connection.exec_driver_sql(f'PRAGMA foreign_key_list("{table}")')
        )
        made = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE name = ?", (table,)
        ).scalar_one()
        deferred = made.count("DEFERRABLE INITIALLY DEFERRED") - made.count('"auth_user"')
        lines.append(f"deferred references {deferred}, autoincrement {made.count('AUTOINCREMENT')}")
    return lines


def test_our_tables_equal_those_of_the_peers_migrations(database_url: str, second_url: str) -> None:
    tables = peer_tables()
    names = [table.name for table in tables.all]
    peer_at(second_url).migrate()
    ours, django = open_engine(database_url), open_engine(second_url)
    assert set(create_peer_tables(ours, tables)) == set(names)

    theirs = shape(django, names)
    to_user = [line for line in theirs if "auth_user" in line]
    assert len(to_user) == 1
    assert "user_id" in to_user[0]
    assert shape(ours, names) == [line for line in theirs if line not in to_user]
    ours.dispose()
    django.dispose()


@pytest.mark.postgres
def test_even_the_definitions_of_indexes_are_the_same_on_postgresql(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    create_peer_tables(engine, peer_tables())
    ours = catalogue(postgres_url)
    engine.dispose()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    peer_at(postgres_url).migrate()
    assert ours == [line for line in catalogue(postgres_url) if "auth_user" not in line]


def catalogue(url: str) -> list[str]:
    """Definitions of indexes and constraints by PostgreSQL itself, operator classes and deferring included."""
    with psycopg.connect(url) as connection:
        indexes = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'django_solana%' ORDER BY 1"
        ).fetchall()
        constraints = connection.execute(
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid::regclass::text LIKE 'django_solana%' ORDER BY 1"
        ).fetchall()
    return [row[0] for row in [*indexes, *constraints]]


def test_even_the_declared_types_are_the_same_on_sqlite(tmp_path: Path) -> None:
    ours, django = tmp_path / "ours.sqlite3", tmp_path / "django.sqlite3"
    create_peer_tables(open_engine(f"sqlite:///{ours}"), peer_tables())
    peer_at(f"sqlite:///{django}").migrate()
    for table in peer_tables().all:
        assert table_info(ours, table.name) == table_info(django, table.name)


def table_info(file: Path, table: str) -> list[Any]:
    with sqlite3.connect(file) as connection:
        rows = connection.execute(f"PRAGMA table_info({table})").fetchall()
    declared_alike = {"boolean": "bool"}
    return [
        (position, name, declared_alike.get(kind.lower(), kind.lower()), required, default, key)
        for position, name, kind, required, default, key in rows
    ]


def test_a_django_application_that_comes_later_adopts_our_tables(database_url: str) -> None:
    engine = open_engine(database_url)
    create_peer_tables(engine, peer_tables())
    peer = peer_at(database_url)
    assert "django_solana_payments.0001_initial... FAKED" in peer.fake_initial()
    assert peer.create_native_token("0.1") == 1
    engine.dispose()


def test_making_the_tables_twice_changes_nothing(engine: Engine) -> None:
    assert len(create_peer_tables(engine, peer_tables())) == 5
    assert create_peer_tables(engine, peer_tables()) == ()


def test_missing_tables_and_columns_are_named(engine: Engine) -> None:
    tables = peer_tables()
    assert missing_columns(engine, tables) == [table.name for table in tables.all]
    create_peer_tables(engine, tables)
    assert missing_columns(engine, tables) == []
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {tables.payment.name} RENAME COLUMN signature TO proof")
    assert missing_columns(engine, tables) == [f"{tables.payment.name}.signature"]


def test_the_tables_of_a_merchants_own_payment_model_are_named_as_django_names_them(
    database_url: str,
) -> None:
    peer = peer_at(
        database_url,
        apps=("solpay_pipeline_tests.beside_the_peer.peer.shop",),
        models={"SOLANA_PAYMENT_MODEL": "shop.ShopOrder"},
    )
    peer.migrate()
    engine = open_engine(database_url)
    tables = peer_tables(payment_table="shop_shoporder")
    assert tables.payment_column == "shoporder_id"
    assert missing_columns(engine, tables) == []
    engine.dispose()


def test_tables_under_other_names_have_the_abstract_columns_alone(engine: Engine) -> None:
    tables = peer_tables(payment_table="shop_order", token_table="shop_coin")
    create_peer_tables(engine, tables)
    columns = {column["name"] for column in inspect(engine).get_columns("shop_coin")}
    assert columns == {column.name for column in tables.token.columns}


@pytest.mark.parametrize("name", ["payment", "_payment", "shop_", 'shop_order"; DROP', ""])
def test_a_table_name_that_django_cannot_have_made_is_refused(name: str) -> None:
    with pytest.raises(BadTableName):
        peer_tables(payment_table=name)
