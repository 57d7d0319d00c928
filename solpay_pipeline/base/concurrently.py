"""Concurrent calls that are all cancelled when one of them fails."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar, cast

A = TypeVar("A")
B = TypeVar("B")


async def all_of(calls: Iterable[Coroutine[Any, Any, A]]) -> list[A]:
    """The answers in order. The first error cancels the other calls and is raised as it is."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """As `all_of`, for two calls whose answers have different types."""
    answers = await all_of(cast("list[Coroutine[Any, Any, A | B]]", [first, second]))
    return cast("tuple[A, B]", tuple(answers))
