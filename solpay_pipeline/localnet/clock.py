"""Slots and block times. A slot's time comes from the newest anchor at or below it; a jump (advance, warp)
sets a new anchor, so that the times of blocks that are already there never change.
"""

import time
from bisect import bisect_right
from dataclasses import dataclass

from solpay_pipeline.localnet.config import ChainConfig


@dataclass(frozen=True, slots=True)
class _Anchor:
    slot: int
    unix_time: float
    monotonic: float


class SlotClock:
    """Tells the current slot and the unix time of any slot; moved by hand, by the wall clock, or by both."""

    def __init__(self, config: ChainConfig) -> None:
        self._slot_seconds = config.slot_seconds
        self._manual = config.clock == "manual"
        started = float(config.genesis_time) if config.genesis_time is not None else time.time()
        self._anchors = [_Anchor(config.first_slot, started, time.monotonic())]

    def slot(self) -> int:
        """The slot that is being built now."""
        anchor = self._anchors[-1]
        if self._manual:
            return anchor.slot
        return anchor.slot + int((time.monotonic() - anchor.monotonic) / self._slot_seconds)

    def block_time(self, slot: int) -> int:
        """Unix seconds at which `slot` begins."""
        index = max(bisect_right(self._anchors, slot, key=lambda anchor: anchor.slot) - 1, 0)
        anchor = self._anchors[index]
        return int(anchor.unix_time + (slot - anchor.slot) * self._slot_seconds)

    def advance(self, slots: int) -> None:
        """Moves `slots` on. By hand the time moves with them; beside the wall clock it doesn't, as that one
        keeps the time.
        """
        if slots < 0:
            raise ValueError("slots do not move backwards")
        current = self.slot()
        elapsed = slots * self._slot_seconds if self._manual else 0.0
        self._anchor(current + slots, self._unix_time() + elapsed)

    def warp(self, seconds: float) -> None:
        """Opens a new block whose time, and that of all after it, is `seconds` further (or back)."""
        self._anchor(self.slot() + 1, self._unix_time() + seconds)

    def _unix_time(self) -> float:
        anchor = self._anchors[-1]
        return anchor.unix_time if self._manual else anchor.unix_time + (time.monotonic() - anchor.monotonic)

    def _anchor(self, slot: int, unix_time: float) -> None:
        if slot == self._anchors[-1].slot:
            self._anchors.pop()
        self._anchors.append(_Anchor(slot, unix_time, time.monotonic()))
