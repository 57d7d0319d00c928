"""What a local chain is made of: its clock, its commitment levels, its prices. Constant while it runs, except rent
(`Chain.set_rent`).
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from solders.hash import Hash

BLOCKHASH_LIFE_BLOCKS = 150
"""A transaction may land up to this many blocks above its blockhash's height (MAX_PROCESSING_AGE)."""

SLOTS_PER_EPOCH = 432_000
"""Length of an epoch without warm-up, as on mainnet."""

CommitmentName = Literal["processed", "confirmed", "finalized"]
ClockName = Literal["wall", "manual"]


def clock_name(text: str) -> ClockName:
    """The clock of that name; ValueError where there is none."""
    match text:
        case "wall" | "manual":
            return text
    raise ValueError(f"the clock is wall or manual, not {text}")


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """The constants of one chain.

    `clock="wall"`: slots follow the wall clock, computed at each request, without a thread. `clock="manual"`: slots
    move by `Chain.advance` only. Lags are slots. `skipped_slots` is the constant distance between slot and block
    height: near zero on a local validator, about 22 million on mainnet. `genesis_time` is the unix time of the first
    slot; None: now. `status_cache_slots`: how far back getSignatureStatuses looks without searchTransactionHistory.
    `history_slots`: transactions older than that many slots are forgotten, which bounds memory; None: none is.
    """

    slot_seconds: float = 0.4
    clock: ClockName = "wall"
    confirmed_lag: int = 1
    finalized_lag: int = 32
    rent_lamports_per_byte: int = 5_080
    seed: int = 0
    first_slot: int = 1_000
    skipped_slots: int = 0
    genesis_time: int | None = None
    genesis_hash: str | None = None
    status_cache_slots: int = 150
    history_slots: int | None = None

    def __post_init__(self) -> None:
        if self.slot_seconds <= 0:
            raise ValueError(f"slot_seconds must be above 0, not {self.slot_seconds}")
        if not 0 <= self.confirmed_lag <= self.finalized_lag:
            raise ValueError("lags must hold 0 <= confirmed_lag <= finalized_lag")
        if self.first_slot < self.finalized_lag + self.skipped_slots:
            raise ValueError("first_slot must be at least finalized_lag + skipped_slots")
        if self.history_slots is not None and self.history_slots <= self.finalized_lag:
            raise ValueError(
                "history_slots must be above finalized_lag: a fork needs the blocks that are not final"
            )

    def genesis(self) -> Hash:
        """The cluster's identity: `genesis_hash` where given, else derived from the seed."""
        if self.genesis_hash is not None:
            return Hash.from_string(self.genesis_hash)
        return Hash(hashlib.sha256(b"solpay localnet genesis" + self.seed.to_bytes(8, "little")).digest())
