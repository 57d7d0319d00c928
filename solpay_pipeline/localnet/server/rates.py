"""Requests counted in windows of time, as the public endpoints count them."""

import time
from collections import Counter


class Window:
    """Counts by key and starts again when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._counts: Counter[str] = Counter()

    def count(self, key: str) -> int:
        """Counts one more; how many there are now in this window."""
        now = time.monotonic()
        if now >= self._ends:
            self._counts.clear()
            self._ends = now + self._seconds
        self._counts[key] += 1
        return self._counts[key]

    def seconds_left(self) -> float:
        """Until the window ends."""
        return max(self._ends - time.monotonic(), 0.0)
