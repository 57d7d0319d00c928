"""One pace for all concurrent calls: so many a second, so far apart. Callers queue in the order they came."""

import asyncio
from collections.abc import Awaitable, Callable


class Limiter:
    """Lets at most `rate_limit` calls a second pass (0: no limit), at least `spacing` seconds apart."""

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
        self._next_call = clock()

    async def wait(self) -> None:
        """Return when the caller may make its call."""
        async with self._queue:
            if (wait := self._next_call - self._clock()) > 0:
                await self._sleep(wait)
            self._next_call = self._clock() + self.interval
