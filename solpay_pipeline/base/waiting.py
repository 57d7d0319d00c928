"""Waits are told while they last, and end when somebody asks for it.

Whoever runs an operation says who hears of its waits and how it is stopped; whoever waits, deep below, says what for.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Listener = Callable[[str], None]
"""Hears one line: what is waited for, where, and how long."""

WORTH_TELLING_SECONDS: Final = 1.0
"""A shorter wait is over before it is read."""

_STEP_SECONDS = 0.1

_until: ContextVar[float] = ContextVar("until", default=float("inf"))
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_is_stopping: ContextVar[Callable[[], bool] | None] = ContextVar("is_stopping", default=None)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Let `listener` hear of all waits within the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def remembering() -> Iterator[list[str]]:
    """What is waited for within the block, the latest last; whoever hears of it besides goes on hearing."""
    heard: list[str] = []
    others = _listener.get()

    def hear(line: str) -> None:
        heard.append(line)
        if others is not None:
            others(line)

    with told_to(hear):
        yield heard


@contextmanager
def stoppable(is_stopping: Callable[[], bool]) -> Iterator[None]:
    """Let pauses within the block end once `is_stopping` says so."""
    token = _is_stopping.set(is_stopping)
    try:
        yield
    finally:
        _is_stopping.reset(token)


@contextmanager
def limited_to(seconds: float | None) -> Iterator[None]:
    """Let waits within the block end with its time, None for no limit; within another limit the earlier one holds."""
    until = float("inf") if seconds is None else time.monotonic() + seconds
    token = _until.set(min(until, _until.get()))
    try:
        yield
    finally:
        _until.reset(token)


def at_most(seconds: float) -> float:
    """How much of a wait of so many seconds the time allows."""
    return max(0.0, min(seconds, _until.get() - time.monotonic()))


def tell_wait(seconds: float, words: str) -> None:
    """Say that so many seconds are waited for what `words` say."""
    listener = _listener.get()
    if listener is not None and seconds >= WORTH_TELLING_SECONDS:
        listener(f"waiting {seconds:.0f} s: {words}")


def pause(seconds: float) -> None:
    """Wait outside of the event loop, as within a call of the database.

    Raises `asyncio.CancelledError` where the work is to stop.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        is_stopping = _is_stopping.get()
        if is_stopping is not None and is_stopping():
            raise asyncio.CancelledError
        time.sleep(min(left, _STEP_SECONDS))
