"""Calls that take many items: split into what a provider accepts, made concurrently, joined in order.

Providers cap a call below what the RPC itself allows (QuickNode's free plan takes 5 signatures where 256 are legal). A
batch that is refused for its size is halved until it passes; the size that passed is kept, and after a while the double
is tried again. A batch that no endpoint answers has an item at fault, which halving finds; the size stays.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from solpay_pipeline.base.concurrently import all_of
from solpay_pipeline.chain.rpc.answers import Untold
from solpay_pipeline.chain.rpc.errors import RpcRejected, Unanswered

T = TypeVar("T")
A = TypeVar("A")
Batch = tuple[int, tuple[A, ...]]
"""The context slot of an answer, and its values in the order asked for."""

Reader = Callable[[Sequence[T]], Awaitable[Batch[A]]]

GROWS_AFTER_SECONDS = 60.0
"""A cap of a provider costs one refused call in this time; one that was lifted is noticed."""


class Batcher:
    """The size of a batch of one RPC method, `most` items at first. `clock` is in seconds."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.size = most
        self._most = most
        self._clock = clock
        self._refused_at = clock()
        self._proven = False

    async def read(self, items: Sequence[T], reader: Reader[T, A]) -> Batch[A | Untold]:
        """Call `reader` for all items: the lowest context slot, and all values in order. Without items: slot 0, no
        call. An item that no endpoint answers about is `Untold`; of it there is no slot.

        Raises what `reader` raises; RpcRejected only when even a single item is refused.
        """
        self._grow()
        batches = await self._batches(items, reader)
        slot = min((slot for slot, _ in batches if slot is not None), default=0)
        return slot, tuple(value for _, values in batches for value in values)

    def _grow(self) -> None:
        """Try the double where it has been refused long ago."""
        if self.size < self._most and self._clock() - self._refused_at >= GROWS_AFTER_SECONDS:
            self.size = min(self._most, 2 * self.size)
            self._proven = False

    async def _batches(
        self, items: Sequence[T], reader: Reader[T, A]
    ) -> list[tuple[int | None, tuple[A | Untold, ...]]]:
        found: list[tuple[int | None, tuple[A | Untold, ...]]] = []
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

    async def _fitting(
        self, items: Sequence[T], reader: Reader[T, A]
    ) -> list[tuple[int | None, tuple[A | Untold, ...]]]:
        try:
            return [await reader(items)]
        except RpcRejected as refusal:
            # Its subclasses refuse the method or a cursor: a smaller batch does not help.
            if type(refusal) is not RpcRejected or len(items) == 1:
                raise
            half = (len(items) + 1) // 2
            self._refused_at = self._clock()
            found = await self._fitting(items[:half], reader)
            self.size = min(self.size, half)
            self._proven = True
            return found + await self._batches(items[half:], reader)
        except Unanswered as trouble:
            if len(items) == 1:
                return [(None, (Untold(str(trouble)),))]
            half = (len(items) + 1) // 2
            # One half after the other: the second is asked only while the node is known to be well.
            found = await self._fitting(items[:half], reader)
            return found + await self._fitting(items[half:], reader)
