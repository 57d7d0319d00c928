"""Slots and block times. A slot's time comes from the newest anchor at or below it. A jump (advance, warp) sets a new
anchor, so that the times of earlier blocks never change.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from solpay_pipeline.localnet.chain.config import ChainConfig


@dataclass(frozen=True, slots=True)
class _Anchor:
    slot: int
    unix_time: float
    monotonic: float


class SlotClock:
    """The current slot and the unix time of any slot; moved by calls, by the wall clock, or by both.

    `monotonic` counts the wall clock's seconds.
    """

    def __init__(self, config: ChainConfig, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._slot_seconds = config.slot_seconds
        self._manual = config.clock == "manual"
        started = float(config.genesis_time) if config.genesis_time is not None else time.time()
        self._anchors = [_Anchor(config.first_slot, started, monotonic())]
        self._moved = 0

    def slot(self) -> int:
        """The slot that is being built now."""
        anchor = self._anchors[-1]
        if self._manual:
            return anchor.slot + self._moved
        return anchor.slot + int((self._monotonic() - anchor.monotonic) / self._slot_seconds)

    def block_time(self, slot: int) -> int:
        """Unix seconds at which `slot` begins."""
        index = max(bisect_right(self._anchors, slot, key=lambda anchor: anchor.slot) - 1, 0)
        anchor = self._anchors[index]
        return int(anchor.unix_time + (slot - anchor.slot) * self._slot_seconds)

    def advance(self, slots: int) -> None:
        """Moves `slots` on. A manual clock's time moves with them, the wall clock's does not."""
        if slots < 0:
            raise ValueError("slots do not move backwards")
        if self._manual:
            self._moved += slots
        else:
            self._anchor(self.slot() + slots, self._unix_time())

    def warp(self, seconds: float) -> None:
        """Opens a new block; its time and that of all later ones is `seconds` later (negative: earlier)."""
        self._anchor(self.slot() + 1, self._unix_time() + seconds)

    def anchors(self) -> list[tuple[int, float]]:
        """For `resume`: slots and the unix times they began at, the present one last. All slots' times follow from
        these.
        """
        return [
            *((anchor.slot, anchor.unix_time) for anchor in self._anchors),
            (self.slot(), self._unix_time()),
        ]

    def resume(self, anchors: Sequence[tuple[int, float]], slot: int, later_by: float) -> None:
        """Goes on at `slot` after a pause of `later_by` seconds, with the times of `anchors`."""
        began = self._monotonic()
        self._anchors = [_Anchor(at, unix_time, began) for at, unix_time in anchors]
        self._moved = 0
        self._anchor(slot, anchors[-1][1] + later_by)

    def _unix_time(self) -> float:
        anchor = self._anchors[-1]
        if self._manual:
            return anchor.unix_time + self._moved * self._slot_seconds
        return anchor.unix_time + (self._monotonic() - anchor.monotonic)

    def _anchor(self, slot: int, unix_time: float) -> None:
        if slot == self._anchors[-1].slot:
            self._anchors.pop()
        self._anchors.append(_Anchor(slot, unix_time, self._monotonic()))
        self._moved = 0
