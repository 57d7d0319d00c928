"""The pytest fixture `solana_localnet`: a chain of its own for each test, with a node in front of it.

The chain is imported when a test asks for it, so that the plugin costs other tests nothing.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from solpay_pipeline.localnet.tools.fixture import Localnet


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "solana_localnet(**settings): how the chain of `solana_localnet` is made: fields of ChainConfig, and "
        "`lag` and `history_slots` of its endpoint",
    )


@pytest.fixture
def solana_localnet(request: pytest.FixtureRequest) -> Iterator["Localnet"]:
    """A Solana chain with JSON-RPC at `.url` and WebSockets at `.ws_url`; see `Localnet`."""
    try:
        from solpay_pipeline.localnet.tools.fixture import localnet
    except ModuleNotFoundError as error:
        pytest.fail(
            f"{error.name} is not installed; install solpay_pipeline[localnet] to use solana_localnet",
            pytrace=False,
        )
    marker = request.node.get_closest_marker("solana_localnet")
    with localnet(**(marker.kwargs if marker is not None else {})) as running:
        yield running
