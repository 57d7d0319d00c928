"""One blockhash for each slot, derived from genesis, branch and slot. Only recent ones are kept: older ones have
expired. A fork starts a branch, so that new blocks never repeat the hash of a removed one.
"""

import hashlib
from collections.abc import Iterable

from solders.hash import Hash

from solpay_pipeline.localnet.chain.config import BLOCKHASH_LIFE_BLOCKS

_KEPT_SLOTS = 2 * BLOCKHASH_LIFE_BLOCKS + 64
"""Enough for the finalized bank too, whose window reaches further back than the processed one's."""


class Blockhashes:
    """The queue of recent blockhashes, by slot and by hash."""

    def __init__(self, genesis: Hash, first_slot: int, kept_slots: int = _KEPT_SLOTS) -> None:
        self._genesis = bytes(genesis)
        self._kept_slots = kept_slots
        self._branch = 0
        self._newest = first_slot - kept_slots - 1
        self._by_slot: dict[int, Hash] = {}
        self._slots: dict[Hash, int] = {}
        self.extend_to(first_slot)

    def extend_to(self, slot: int) -> None:
        """Makes the hashes up to `slot` and forgets those that can no longer be used."""
        for made in range(max(self._newest + 1, slot - self._kept_slots), slot + 1):
            parts = (
                self._genesis + self._branch.to_bytes(8, "little") + made.to_bytes(8, "little", signed=True)
            )
            blockhash = Hash(hashlib.sha256(parts).digest())
            self._by_slot[made] = blockhash
            self._slots[blockhash] = made
        if slot > self._newest:
            self._newest = slot
            for old in [kept for kept in self._by_slot if kept < slot - self._kept_slots]:
                del self._slots[self._by_slot.pop(old)]

    def recent(self) -> list[tuple[int, str]]:
        """All that are kept, by slot."""
        return [(slot, str(blockhash)) for slot, blockhash in self._by_slot.items()]

    def resume(self, recent: Iterable[tuple[int, str]]) -> None:
        """Replaces all that are kept by these; later hashes belong to a branch of their own."""
        self._by_slot = {slot: Hash.from_string(text) for slot, text in recent}
        self._slots = {blockhash: slot for slot, blockhash in self._by_slot.items()}
        self._newest = max(self._by_slot)
        self._branch = self._newest

    def at(self, slot: int) -> Hash:
        """The hash of the block in `slot`; KeyError where it is too old."""
        return self._by_slot[slot]

    def slot_of(self, blockhash: Hash) -> int | None:
        """The slot whose block has this hash, or None where it is unknown or long expired."""
        return self._slots.get(blockhash)

    def start_branch(self, after_slot: int, forget: bool) -> None:
        """Starts a new branch for later blocks; `forget` makes the hashes above `after_slot` invalid, as a real fork
        does.
        """
        self._branch += 1
        if forget:
            for slot in [kept for kept in self._by_slot if kept > after_slot]:
                self._slots.pop(self._by_slot[slot])
                self._by_slot[slot] = self._orphan(slot)

    def _orphan(self, slot: int) -> Hash:
        parts = self._genesis + self._branch.to_bytes(8, "little") + slot.to_bytes(8, "little", signed=True)
        blockhash = Hash(hashlib.sha256(parts).digest())
        self._slots[blockhash] = slot
        return blockhash
