"""One pace for all concurrent calls: so many a second, so far apart. Callers queue in the order they came."""

import asyncio
from collections.abc import Awaitable, Callable


class Limiter:
    """Lets callers pass at most `rate_limit` times a second (0: no limit) and at least `spacing` seconds
    apart.
    """

    def __init__(
        self,
        *,
        rate_limit: float,
        spacing: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        if rate_limit < 0 or spacing < 0:
            raise ValueError("rate_limit and spacing must not be negative")
        self.interval = max(spacing, 1.0 / rate_limit if rate_limit else 0.0)
        self._clock = clock
        self._sleep = sleep
        self._queue = asyncio.Lock()
        self._next_turn = clock()

    async def turn(self) -> None:
        """Return when it is the caller's turn."""
        async with self._queue:
            if (wait := self._next_turn - self._clock()) > 0:
                await self._sleep(wait)
            self._next_turn = self._clock() + self.interval
