"""Hears Terminate while an event loop runs.

Dagster's handler raises at any bytecode; inside a callback of the loop asyncio logs such an exception and goes on, so
that the request would be lost. Here the signal cancels the work instead, which ends at its next await.
"""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`; raises `asyncio.CancelledError` where SIGINT came meanwhile.

    Only the main thread hears signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)
    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(_hearing(work))
    finally:
        signal.signal(signal.SIGINT, before)


async def _hearing(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    return await work
