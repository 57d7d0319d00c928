"""One operation under way: for whom, what it may do, where its effects go, and what it has read of the chain."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.base.clock import loop_seconds
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.evidence.statement import Homes
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.operations.context.binding import Binding
from solpay_pipeline.operations.context.books import Books
from solpay_pipeline.operations.context.chain import Chain
from solpay_pipeline.operations.context.chain_facts import ChainFacts
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.finality import Finality
from solpay_pipeline.operations.context.journal import Journal
from solpay_pipeline.operations.context.mover import Mover
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.operations.context.records import Records

Progress = Callable[[str, int], None]
"""Called with a stage ("read", "moved", ...) and how many wallets it has just done."""

MAX_RUNTIME: Final = "max_runtime"
"""Why an operation stopped whose time was up."""

NewMover = Callable[["OperationContext", Purpose, WalletState], Mover]
"""Makes a mover for a purpose; wallets take the state while a leg of theirs is on its way."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """What all parts of one operation share; made by `preflight.open_context`.

    `books`, `journal` and `new_mover` are chosen once: a dry run has others. `chain_time` is the time of the block at
    `chain_slot`: all later reads are asked to be at least as new, which is what makes expiry by `chain_time` sound.
    `binding` and `mints` are as they were read last. `clock` and `sleep` are in seconds, `started` is by that clock.
    """

    deployment: Deployment
    options: Options
    run: RunRef
    rpc: Rpc
    facts: ChainFacts
    chain: Chain
    records: Records
    books: Books
    journal: Journal
    finality: Finality
    new_mover: NewMover
    chain_slot: int
    chain_time: datetime
    receiver_exists: bool
    binding: Binding
    progress: Progress
    tally: Tally
    mints: dict[Pubkey, Mint] = field(default_factory=dict)
    clock: Callable[[], float] = loop_seconds
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    started: float = field(default_factory=loop_seconds)

    @property
    def receiver(self) -> Pubkey | None:
        """Where money may be sent to: the receiver of the settings, None where the ledger does not allow it."""
        return self.deployment.receiver if self.binding.obstacle is None else None

    @property
    def is_keyless(self) -> bool:
        """Whether what would move is left to another process; a dry run moves nothing anyway."""
        return not (self.deployment.has_keys or self.options.dry_run)

    @property
    def homes(self) -> Homes:
        """Where money is home, and rent."""
        return Homes(self.binding.receivers, {self.deployment.fee_payer.pubkey})

    def must_stop(self) -> bool:
        """Whether the time is up; the reason is then in the tally."""
        limit = self.options.max_runtime_seconds
        if limit is not None and self._seconds() >= limit:
            self.tally.stopped_reason = MAX_RUNTIME
            return True
        return False

    def patience(self) -> float:
        """Seconds that one broadcast may take."""
        limit = self.options.max_runtime_seconds
        if limit is None:
            return self.options.patience_seconds
        return max(1.0, min(self.options.patience_seconds, limit - self._seconds()))

    def _seconds(self) -> float:
        return self.clock() - self.started
