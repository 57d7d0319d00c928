"""A process of ours under simulation: its effects one by one, the moment it dies, and what others do meanwhile.

An effect is a request to a node (before it leaves; after it was carried out and before the answer is read), the
beginning of a database transaction, and a commit (before; after). Between two of them a process changes nothing that
outlives it, so dying at each of them is dying anywhere.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Literal

PointKind = Literal["request", "answered", "begin", "commit", "committed"]

Deed = Callable[[], None]

_WITHOUT_FOREIGN_WRITES: frozenset[PointKind] = frozenset({"commit"})
"""Where our own write transaction is open, nobody else can write."""


class Death(BaseException):
    """kill -9: neither `except Exception` nor any clean-up may do anything about it."""


@dataclass(slots=True)
class Process:
    """One run. It dies at its `dies_at`-th effect, or its `dies_at`-th of the kind `dies_of`; each of `meanwhile` is
    done once its effect has been reached.

    `saw` is the oldest slot that a node may have shown it when it started; `forked` tells whether a fork came since.
    """

    name: str
    dies_at: int | None = None
    dies_of: PointKind | None = None
    meanwhile: list[tuple[int, Deed]] = field(default_factory=list)
    is_alive: bool = True
    points: int = 0
    of_kind: Counter[str] = field(default_factory=Counter)
    saw: int = 0
    forked: bool = False
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)
    died_at: PointKind | None = None

    def reach(self, kind: PointKind) -> None:
        """An effect is about to happen, or just has. Raises `Death`."""
        if not self.is_alive:
            raise Death
        self.points += 1
        if kind not in _WITHOUT_FOREIGN_WRITES:
            while self.meanwhile and self.meanwhile[0][0] <= self.points:
                _, deed = self.meanwhile.pop(0)
                outside(deed)
        self.of_kind[kind] += 1
        reached = self.points if self.dies_of is None else self.of_kind[self.dies_of]
        if self.dies_at is not None and reached >= self.dies_at:
            self.is_alive = False
            self.died_at = kind
            raise Death


CURRENT: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


def outside(deed: Deed) -> None:
    """Does something that is not the current process's doing."""
    token = CURRENT.set(None)
    try:
        deed()
    finally:
        CURRENT.reset(token)


def start(
    loop: asyncio.AbstractEventLoop, process: Process, work: Coroutine[Any, Any, Any]
) -> "asyncio.Task[Any]":
    """A task that runs `work` as this process; the tasks that it makes are the process's as well."""
    context = copy_context()
    context.run(CURRENT.set, process)
    return loop.create_task(work, context=context)


def task_factory(
    loop: asyncio.AbstractEventLoop, work: Any, context: Any = None, **_: Any
) -> "asyncio.Task[Any]":
    """Makes tasks and remembers whose they are."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    process = CURRENT.get() if context is None else context.run(CURRENT.get)
    if process is not None:
        process.tasks.append(task)
    return task


async def bury(process: Process) -> None:
    """Ends what is left of a process that has died or failed, without letting it do anything more."""
    process.is_alive = False
    left = [task for task in process.tasks if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
