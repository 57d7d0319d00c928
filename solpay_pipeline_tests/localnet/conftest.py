"""A chain that moves by hand only, someone who pays, and a node in front."""

from collections.abc import Iterator

import pytest
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller


@pytest.fixture
def chain() -> Chain:
    return Chain(ChainConfig(clock="manual"))


@pytest.fixture
def seed(chain: Chain) -> Seed:
    return Seed(chain)


@pytest.fixture
def wallet() -> Keypair:
    return Keypair()


@pytest.fixture
def rich(chain: Chain) -> Keypair:
    """Someone whose 10 SOL are final."""
    keypair = Keypair()
    chain.airdrop(keypair.pubkey(), 10 * SOL)
    chain.advance(chain.config.finalized_lag)
    return keypair


@pytest.fixture
def node(chain: Chain) -> Iterator[Node]:
    with running(chain) as started:
        yield started


@pytest.fixture
def rpc(node: Node) -> Iterator[Caller]:
    caller = Caller(node.url)
    yield caller
    caller.http.close()
