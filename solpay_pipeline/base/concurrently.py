"""Questions asked side by side, of which none goes on when one of them has failed."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar, cast

A = TypeVar("A")
B = TypeVar("B")


async def all_of(calls: Iterable[Coroutine[Any, Any, A]]) -> list[A]:
    """The answers in order; the first error ends the other calls, and is raised as it is."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """As `all_of`, of two calls whose answers are of different kinds."""
    answers = await all_of(cast("list[Coroutine[Any, Any, A | B]]", [first, second]))
    return cast("tuple[A, B]", tuple(answers))
