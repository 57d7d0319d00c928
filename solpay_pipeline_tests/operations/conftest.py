"""One database of each kind for the tests that are about what is written into it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest
from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.looking.database_records import DatabaseRecords
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.testing.writing import add_token
from solpay_pipeline_tests.operations.database import Shop
from solpay_pipeline_tests.operations.ground import scene


@pytest.fixture(scope="session")
def engines() -> Iterator[dict[str, Engine]]:
    """One database of each kind, once it was asked for; each test has tokens and payments of its own."""
    made: dict[str, Engine] = {}
    yield made
    for one in made.values():
        one.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(
    request: pytest.FixtureRequest, engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    if request.param not in engines:
        url = f"sqlite:///{tmp_path_factory.mktemp('premises') / 'shop.db'}"
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE premises TEMPLATE template0")
            url = server.get_uri("premises")
        engines[request.param] = open_engine(url)
        create_peer_tables(engines[request.param], peer_tables())
        migrate.upgrade(engines[request.param])
    return engines[request.param]


@pytest.fixture
def shop(engine: Engine) -> Shop:
    made = scene(engine=engine, options=Options(watch_days=0))
    tables, mint = made.deployment.tables, str(Pubkey.new_unique())
    with engine.begin() as connection:
        sol = add_token(connection, tables, mint=None, price=Decimal(1), symbol=f"S{mint[:9]}")
        token = add_token(connection, tables, mint=mint, price=Decimal(1), symbol=f"T{mint[:9]}")
    context = made.context
    made.context = replace(
        context,
        records=DatabaseRecords(engine, tables, context.options),
        books=WrittenBooks(made.deployment, context.run, context.tally),
    )
    return Shop(engine, made, sol, token)
