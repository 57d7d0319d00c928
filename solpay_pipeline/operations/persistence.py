"""Carries an operation to its end: trouble that passes is waited out, within the time that the run has.

Each try goes on from where the one before had got, since what is done is in the database. What cannot be waited out
ends the operation with the last cause; what had been done by then is told all the same.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from solpay_pipeline.base.clock import loop_seconds
from solpay_pipeline.base.errors import NeedsOperator, Passing, SolpayError
from solpay_pipeline.base.waiting import limited_to, pause, remembering, tell_wait
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.run import OperationRun

T = TypeVar("T")

WAITS: Final[tuple[float, ...]] = (5.0, 10.0, 20.0, 40.0)
"""Seconds after the first, second, ... failed try. A rate limit lasts ten seconds, an outage some minutes."""

JITTER = 0.25
"""Of each wait, up or down, lest two installations come back together."""

_LAST_TENTH = 0.9
"""Of an operation's time: what it begins afterwards it could not end."""


class TryAgain(SolpayError):
    """The trouble has been waited out: the same work may be tried once more, from its beginning."""


class Outlasted(SolpayError):
    """The trouble lasts longer than it may be waited for. The text begins with the trouble itself."""


@dataclass(frozen=True, slots=True)
class Endurance:
    """How long trouble is borne.

    `seconds` is what the operation has for all of its work and waits, None without a limit; `longest_wait` the most
    that another side may ask us to wait, in seconds; `waits` as `WAITS`, empty where a first failure is the last.
    `tries` have been made before.
    """

    seconds: float | None = None
    longest_wait: float = 120.0
    waits: tuple[float, ...] = field(default_factory=lambda: WAITS)
    tries: int = 0


async def carry_out(
    run: OperationRun,
    endurance: Endurance,
    *,
    clock: Callable[[], float] = loop_seconds,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Outcome:
    """Try once, and say what the operation has done; where its own work fails for good, the outcome says why.

    Raises `TryAgain` once trouble that passes has been waited out, `Outlasted` and `NeedsOperator` where the operation
    could not even begin: that stops other operations too.
    """
    if endurance.seconds is not None:
        if endurance.seconds <= 0:
            return run.out_of_time()
        run.options = replace(run.options, max_runtime_seconds=endurance.seconds * _LAST_TENTH)
    waits: list[str] = []
    try:
        with limited_to(endurance.seconds), remembering() as waits:
            async with asyncio.timeout(endurance.seconds):
                return await _attempt(run, endurance, clock, sleep)
    except TimeoutError:
        return run.out_of_time(waits[-1] if waits else "")
    except (NeedsOperator, Outlasted) as failure:
        if not run.has_begun:
            raise
        return run.failed(said(failure))


def said(failure: SolpayError) -> str:
    """A failure in one line: what kind, and its words."""
    words = " ".join(str(failure).split())
    return words if isinstance(failure, Outlasted) else f"{type(failure).__name__}: {words}"


def insist(
    attempt: Callable[[], T], endurance: Endurance, *, clock: Callable[[], float] = time.monotonic
) -> T:
    """The same for work that is no operation and has no event loop. Raises `Outlasted` and `NeedsOperator`."""
    trying = _Trying(endurance, clock)
    with limited_to(endurance.seconds):
        while True:
            try:
                return attempt()
            except Passing as trouble:
                pause(trying.after(trouble))


async def _attempt(
    run: OperationRun,
    endurance: Endurance,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> Outcome:
    trying = _Trying(endurance, clock)
    try:
        return await run.attempt()
    except Passing as trouble:
        await sleep(trying.after(trouble))
        raise TryAgain(said(trouble)) from trouble


class _Trying:
    """Tries in a row of one piece of work."""

    def __init__(self, endurance: Endurance, clock: Callable[[], float]) -> None:
        self._endurance = endurance
        self._clock = clock
        self._started = clock()
        self._tries = endurance.tries

    def after(self, trouble: Passing) -> float:
        """Seconds until the next try, which are told. Raises `Outlasted` where there is none."""
        self._tries += 1
        wait = _wait(self._tries, trouble, self._endurance)
        obstacle = _obstacle(self._tries, wait, self._clock() - self._started, self._endurance)
        if obstacle is not None:
            raise Outlasted(f"{said(trouble)} ({obstacle})") from trouble
        tell_wait(wait, f"{said(trouble)}; then try {self._tries + 1} of {len(self._endurance.waits) + 1}")
        return wait


def _wait(tries: int, trouble: Passing, endurance: Endurance) -> float:
    if trouble.retry_after is not None:
        return trouble.retry_after
    if tries > len(endurance.waits):
        return 0.0
    return endurance.waits[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def _obstacle(tries: int, wait: float, passed: float, endurance: Endurance) -> str | None:
    """Why no other try is made, None where one is."""
    if wait > endurance.longest_wait:
        return f"it asks for a wait of {wait:.0f} s, and at most {endurance.longest_wait:.0f} s are waited"
    if endurance.seconds is not None and passed + wait >= endurance.seconds:
        return f"the {endurance.seconds:.0f} s that this operation has do not last for another try"
    if tries > len(endurance.waits):
        return f"still so after {tries} tries"
    return None
