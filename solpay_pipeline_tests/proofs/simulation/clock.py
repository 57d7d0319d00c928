"""An event loop whose clock is made up: where nothing is ready it jumps to the next timer instead of waiting."""

import asyncio
from typing import Any

_RESOLUTION = 1e-6
"""Seconds that the loop takes for the same moment; a float of a month's seconds is exact to a thousandth of it."""


class NothingLeftToHappen(AssertionError):
    """Somebody waits for what no timer and no task will ever bring."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs tasks and timers as asyncio does, without sockets and without time passing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._clock_resolution = _RESOLUTION
        self._selector = _Jump(self)

    def time(self) -> float:
        """Seconds since this world began."""
        return self.now

    def pass_time(self, seconds: float) -> None:
        """Lets time go by while nothing runs."""
        self.now += seconds

    def _process_events(self, _events: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class _Jump:
    """Stands where a real loop asks the system what has happened within so many seconds."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise NothingLeftToHappen("every task waits, and no timer is set")
        self._loop.now += max(timeout, 0.0)
        return []
