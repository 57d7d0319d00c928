from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline_tests.command_line.warm import Warm, warm_solpay
from solpay_pipeline_tests.faults.ground import Database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of each kind: a file, and a database of a real PostgreSQL server."""
    if request.param == "sqlite":
        return Database(tmp_path, f"sqlite:///{tmp_path / 'shop.db'}")
    return Database(tmp_path, request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    with warm_solpay() as ready:
        yield ready
