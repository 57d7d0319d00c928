"""Calls that take many items: split into what a provider accepts, made concurrently, joined in order.

Providers cap a call below what the RPC itself allows (QuickNode's free plan takes 5 signatures where 256 are legal). A
refused batch is halved until it passes, and the size that passed is kept for the life of the client.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from solpay_pipeline.base.concurrently import all_of
from solpay_pipeline.chain.rpc.errors import RpcRejected

T = TypeVar("T")
A = TypeVar("A")
Batch = tuple[int, tuple[A, ...]]
"""The context slot of an answer, and its values in the order asked for."""

Reader = Callable[[Sequence[T]], Awaitable[Batch[A]]]


class Batcher:
    """The size of a batch of one RPC method, `most` items at first."""

    def __init__(self, most: int) -> None:
        self.size = most
        self._proven = False

    async def read(self, items: Sequence[T], reader: Reader[T, A]) -> Batch[A]:
        """Call `reader` for all items: the lowest context slot, and all values in order. Without items: slot 0, no
        call.

        Raises what `reader` raises; RpcRejected only when even a single item is refused.
        """
        batches = await self._batches(items, reader)
        slot = min((slot for slot, _ in batches), default=0)
        return slot, tuple(value for _, values in batches for value in values)

    async def _batches(self, items: Sequence[T], reader: Reader[T, A]) -> list[Batch[A]]:
        found: list[Batch[A]] = []
        if items and not self._proven:
            # One batch alone learns the size: many at once would all be refused for the same reason.
            first = items[: self.size]
            found = await self._fitting(first, reader)
            items = items[len(first) :]
            self._proven = True
        chunks = [items[start : start + self.size] for start in range(0, len(items), self.size)]
        for batches in await all_of(self._fitting(chunk, reader) for chunk in chunks):
            found += batches
        return found

    async def _fitting(self, items: Sequence[T], reader: Reader[T, A]) -> list[Batch[A]]:
        try:
            return [await reader(items)]
        except RpcRejected as refusal:
            # Its subclasses refuse the method or a cursor: a smaller batch does not help.
            if type(refusal) is not RpcRejected or len(items) == 1:
                raise
        half = (len(items) + 1) // 2
        found = await self._fitting(items[:half], reader)
        self.size = min(self.size, half)
        self._proven = True
        return found + await self._batches(items[half:], reader)
