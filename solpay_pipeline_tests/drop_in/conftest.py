from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline_tests.drop_in.project import Project
from solpay_pipeline_tests.shop import Shop, open_shop


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A chain and an empty database; the project's own migrations make the peer's tables."""
    url = None if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    with open_shop(tmp_path, database_url=url, create_tables=False) as shop:
        yield shop


def project_of(shop: Shop, folder: Path, **more: object) -> Project:
    return Project(
        database_url=shop.database_url,
        receiver=str(shop.merchant.receiver),
        fee_payer=shop.merchant.fee_payer.keypair().to_json(),
        rpc_url=shop.node.url,
        wallet_key=shop.wallet_key,
        told=folder / "told",
        **more,  # type: ignore[arg-type]
    )
