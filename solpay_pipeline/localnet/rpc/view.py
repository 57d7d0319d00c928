"""What one endpoint knows about the chain: everything, or its state some slots ago, or no history.

Endpoints of one cluster differ only in this. Reads go through here; transactions go to the chain directly, as they go
to the leader on a real cluster.
"""

from collections.abc import Iterator

from solders.hash import Hash
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.config import BLOCKHASH_LIFE_BLOCKS, CommitmentName
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.errors import NODE_UNHEALTHY, TRANSACTION_HISTORY_NOT_AVAILABLE, RpcError
from solpay_pipeline.localnet.chain.history import TransactionRecord

MAX_LAG_SLOTS = 300
"""Older blockhashes are not kept."""

UNHEALTHY_LAG_SLOTS = 128
"""From this lag on a validator says that it is unhealthy (agave's HEALTH_CHECK_SLOT_DISTANCE)."""


class View:
    """The chain through one endpoint. `history_slots` None: all that the chain keeps; 0: it serves no history."""

    def __init__(self, chain: Chain, lag: int = 0, history_slots: int | None = None) -> None:
        if history_slots is not None and history_slots < 0:
            raise ValueError("history_slots is 0 or more")
        self.chain = chain
        self.history_slots = history_slots
        self._lag = 0
        self._hidden_until: dict[str, int] = {}
        self.set_lag(lag)

    @property
    def lag(self) -> int:
        """Slots behind the chain."""
        return self._lag

    def set_lag(self, slots: int) -> None:
        """Falls behind or catches up. States from before the first call with that many slots are gone: what was
        finalized then is read instead.
        """
        most = MAX_LAG_SLOTS - self.chain.config.finalized_lag
        if not 0 <= slots <= most:
            raise ValueError(f"an endpoint lags by 0 to {most} slots, not by {slots}")
        self.chain.retain(slots)
        self._lag = slots

    def slot_at(self, commitment: CommitmentName) -> int:
        """The newest slot of this level that the endpoint has seen."""
        return max(self.chain.slot_at(commitment) - self._lag, 0)

    def latest_blockhash(self, commitment: CommitmentName) -> tuple[Hash, int]:
        """As `Chain.latest_blockhash`, at the endpoint's slot."""
        slot = self.slot_at(commitment)
        blockhash = self.chain.blockhash_at(slot)
        if blockhash is None:
            raise RpcError(NODE_UNHEALTHY, "Node is unhealthy")
        return blockhash, self.chain.block_height(slot) + BLOCKHASH_LIFE_BLOCKS

    def check_health(self) -> None:
        """-32005 for an endpoint that is too far behind."""
        if self._lag >= UNHEALTHY_LAG_SLOTS:
            raise RpcError(
                NODE_UNHEALTHY, f"Node is behind by {self._lag} slots", {"numSlotsBehind": self._lag}
            )

    def check_history(self) -> None:
        """-32011 for an endpoint without history."""
        if self.history_slots == 0:
            raise RpcError(
                TRANSACTION_HISTORY_NOT_AVAILABLE, "Transaction history is not available from this node"
            )

    def first_available_slot(self) -> int:
        """The oldest slot whose transactions the endpoint knows."""
        oldest = self.chain.first_available_slot()
        if self.history_slots is None:
            return oldest
        return max(oldest, self.slot_at("processed") - self.history_slots + 1)

    def transaction(self, signature: str) -> TransactionRecord | None:
        """A transaction that the endpoint knows, from its whole history."""
        return self._known(self.chain.history.get(signature), self.first_available_slot())

    def recent_transaction(self, signature: str) -> TransactionRecord | None:
        """The same from the status cache, which every endpoint has."""
        oldest = self.slot_at("processed") - self.chain.config.status_cache_slots
        return self._known(self.chain.history.get(signature), oldest)

    def newest_first(self, address: Pubkey) -> Iterator[TransactionRecord]:
        """The transactions that name the address, from the newest back."""
        newest, oldest = self.slot_at("processed"), self.first_available_slot()
        for record in self.chain.history.newest_first(address):
            if record.slot < oldest:
                return
            if record.slot <= newest and self._known(record, oldest) is not None:
                yield record

    def level_of(self, record: TransactionRecord) -> CommitmentName:
        """The commitment level of a transaction."""
        if record.slot <= self.slot_at("finalized"):
            return "finalized"
        return "confirmed" if record.slot <= self.slot_at("confirmed") else "processed"

    def hide(self, signature: str, slots: int) -> None:
        """Hides a transaction for that many slots, landed or not."""
        now = self.chain.tick()
        self._hidden_until = {known: until for known, until in self._hidden_until.items() if until > now}
        self._hidden_until[signature] = now + slots

    def _known(self, record: TransactionRecord | None, oldest: int) -> TransactionRecord | None:
        if record is None or not oldest <= record.slot <= self.slot_at("processed"):
            return None
        until = self._hidden_until.get(record.signature)
        return None if until is not None and until > self.chain.slot_at("processed") else record
