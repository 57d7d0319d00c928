from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline_tests.beside_the_peer.drop_in.project import Project
from solpay_pipeline_tests.shop import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A chain and an empty SQLite database; the project's own migrations make the peer's tables."""
    with open_shop(tmp_path, create_tables=False) as shop:
        yield shop


@pytest.fixture
def postgres_shop(tmp_path: Path, postgres_url: str) -> Iterator[Shop]:
    """The same on PostgreSQL."""
    with open_shop(tmp_path, database_url=postgres_url, create_tables=False) as shop:
        yield shop


def project_of(shop: Shop, folder: Path, **more: object) -> Project:
    return Project(**shop.as_settings(), told=folder / "told", **more)  # type: ignore[arg-type]
