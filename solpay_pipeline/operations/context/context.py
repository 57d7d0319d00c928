"""One operation under way: whose it is, what it may do, and what it has read of the chain."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.operations.context.chain_facts import ChainFacts
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Tally

Progress = Callable[[str, int], None]
"""Called with a stage ("read", "moved", ...) and how many wallets it has just done."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """What all parts of one operation share; made by `preflight.open_context`.

    `chain_time` is the time of the block at `chain_slot`: all later reads are asked to be at least as new, which is
    what makes expiry by `chain_time` sound. `mints` are as they were read last, `started` is by the event loop's clock.
    """

    deployment: Deployment
    options: Options
    run: RunRef
    rpc: Rpc
    facts: ChainFacts
    chain_slot: int
    chain_time: datetime
    receiver_exists: bool
    progress: Progress
    mints: dict[Pubkey, Mint] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def must_stop(self) -> bool:
        """Tell whether the time is up; the reason is then in the tally."""
        limit = self.options.max_runtime_seconds
        if limit is not None and self._seconds() >= limit:
            self.tally.stopped_reason = "max_runtime"
            return True
        return False

    def patience(self) -> float:
        """Seconds that one broadcast may take."""
        limit = self.options.max_runtime_seconds
        if limit is None:
            return self.options.patience_seconds
        return max(1.0, min(self.options.patience_seconds, limit - self._seconds()))

    def now(self) -> datetime:
        """The wall clock, for our own rows."""
        return self.deployment.clock()

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self.started
