from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline_tests.command_line.warm import Warm, warm_solpay
from solpay_pipeline_tests.faults.ground import Database


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Database:
    return Database(tmp_path, database_url)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    with warm_solpay() as ready:
        yield ready
