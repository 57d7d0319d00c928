from pathlib import Path

import pytest

from solpay_pipeline_tests.failures.ground import Database


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Database:
    return Database(tmp_path, database_url)
