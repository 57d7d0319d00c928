from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.ledger import migrate
from solpay_pipeline_tests.events.ground import Outbox, Receiver, receiving


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    """On each of the databases."""
    url = (
        f"sqlite:///{tmp_path / 'shop.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    engine = open_engine(url)
    migrate.upgrade(engine)
    yield Outbox(engine)
    engine.dispose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready
