from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline_tests.rooms.events.ground import Outbox, Receiver, receiving


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    """On each of the databases."""
    migrate.upgrade(engine)
    return Outbox(engine)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready
