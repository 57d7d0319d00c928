"""A shop that takes SOL (0.1) and two tokens (5 each), and persistence in bad weather."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.shop import Shop, open_shop


@dataclass(frozen=True)
class Street:
    """A shop and the mints that it accepts: `usdc` of the classic program, `pyusd` of Token-2022."""

    shop: Shop
    usdc: Pubkey
    pyusd: Pubkey


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield Street(shop, shop.accept_mint(), shop.accept_mint(program=TOKEN_2022))
