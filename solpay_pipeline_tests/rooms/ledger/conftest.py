"""The ledger's tables in memory, as the code has them; that the migrations make the same is tested elsewhere."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger.tables import metadata


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        metadata.create_all(connection)
        yield connection
    engine.dispose()
