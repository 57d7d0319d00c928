"""Of questions asked side by side none goes on when one has failed."""

import asyncio

import pytest

from solpay_pipeline.base.concurrently import all_of, both
from solpay_pipeline.chain.rpc.errors import Unreachable

pytestmark = pytest.mark.anyio


async def answer(value: object, after: float = 0.0) -> object:
    await asyncio.sleep(after)
    return value


async def go_on(ended: list[bool]) -> None:
    """Much longer than any test lasts; its end is noted once it could have said good-bye."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        ended.append(True)


async def test_answers_come_in_the_order_of_the_questions():
    assert await all_of(answer(each, after=0.02 - each / 100) for each in range(3)) == [0, 1, 2]
    assert await both(answer("slow", after=0.01), answer(2)) == ("slow", 2)
    assert await all_of([]) == []


async def test_the_first_error_ends_the_others_before_it_is_raised():
    ended: list[bool] = []

    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise Unreachable("the node is gone")

    with pytest.raises(Unreachable, match="the node is gone"):
        await both(both(go_on(ended), fail()), go_on(ended))
    assert ended == [True, True]


async def test_whoever_is_cancelled_cancels_what_it_asks():
    ended: list[bool] = []
    asking = asyncio.ensure_future(all_of([go_on(ended), go_on(ended)]))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended == [True, True]
