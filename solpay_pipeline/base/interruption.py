"""Hears a request to stop while an event loop runs: Ctrl-C, Dagster's Terminate, SIGTERM, a closed terminal.

Dagster's handler raises at any bytecode; inside a callback of the loop asyncio logs such an exception and goes on, so
that the request would be lost. Here the signal cancels the work instead, which ends at its next await; a pause outside
of the loop ends by the same word, and a call that waits in the database's driver is left at once.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, TypeVar

from solpay_pipeline.base.waiting import stoppable

Result = TypeVar("Result")

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask to stop: from the keyboard or Dagster, from a supervisor, from a terminal that was closed."""

_DRIVER = "psycopg"
"""Waits within Python for the server's answer, so that a handler may end it; SQLite's waits are cut short by us."""


def run_until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`; raises `asyncio.CancelledError` where a request to stop came meanwhile.

    Only the main thread hears signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)
    return asyncio.run(_hearing(work))


def stop_on_every_signal() -> None:
    """Let SIGTERM and SIGHUP do in this process what Ctrl-C does at the moment. A signal that is ignored stays so."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in STOPPING[1:]:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_interrupt)


def _as_interrupt(_number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)


async def _hearing(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.current_task()
    if task is None:
        return await work
    request = _Request(asyncio.get_running_loop(), task.cancel)
    with _handled_by(request), stoppable(lambda: request.has_come):
        return await work


@dataclass(slots=True)
class _Request:
    """The handler of a signal. `cancel` is called by the loop."""

    loop: asyncio.AbstractEventLoop
    cancel: Callable[[], object]
    has_come: bool = False

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        self.has_come = True
        self.loop.call_soon_threadsafe(self.cancel)
        if _waits_in_driver(frame):
            raise asyncio.CancelledError


@contextmanager
def _handled_by(request: _Request) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, request)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _waits_in_driver(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == _DRIVER:
            return True
        frame = frame.f_back
    return False
