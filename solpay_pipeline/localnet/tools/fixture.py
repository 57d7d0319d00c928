"""One running chain with everything that a test of a Solana program or client needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server.faults import Fault, Faults
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed

SLOT_SECONDS = 0.02
"""Twenty times faster than mainnet was: final after two thirds of a second."""


@dataclass(frozen=True, slots=True)
class Localnet:
    """A chain (`chain`), the node in front of it (`node`) and a customer who mints and pays (`seed`)."""

    chain: Chain
    node: Node
    seed: Seed

    @property
    def url(self) -> str:
        """The endpoint for JSON-RPC over HTTP."""
        return self.node.url

    @property
    def ws_url(self) -> str:
        """The endpoint for subscriptions."""
        return self.node.ws_url

    @property
    def faults(self) -> Faults:
        """The faults of the node."""
        return self.node.faults

    def fail(self, kind: Any, **settings: Any) -> Fault:
        """Switches a fault on, by its name and the fields of `Fault`."""
        return self.node.faults.add(Fault(kind, **settings))

    def wallet(self, lamports: int = 0) -> Keypair:
        """A new keypair with that many lamports."""
        keypair = Keypair()
        if lamports:
            self.chain.airdrop(keypair.pubkey(), lamports)
        return keypair

    def lamports(self, address: Pubkey) -> int:
        """What an address holds now."""
        return self.seed.lamports(address)

    def advance(self, slots: int = 1) -> int:
        """Moves the chain on; the slot that is then being built."""
        return self.chain.advance(slots)

    def finalize(self) -> int:
        """Makes everything that has happened final."""
        return self.chain.advance(self.chain.config.finalized_lag)


@contextmanager
def localnet(lag: int = 0, history_slots: int | None = None, **settings: Any) -> Iterator[Localnet]:
    """Runs a chain until the block ends. `settings` are fields of ChainConfig, `lag` and `history_slots` the
    endpoint's.
    """
    chain = Chain(ChainConfig(**({"slot_seconds": SLOT_SECONDS} | settings)))
    with running(chain, lag=lag, history_slots=history_slots) as node:
        yield Localnet(chain, node, Seed(chain))
