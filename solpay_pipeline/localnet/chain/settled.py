"""The JSON of accounts that have not changed lately, ready for an answer.

Most reads ask repeatedly for the same accounts. An account that is the same at all commitment levels is encoded once; a
write is reported here by `changed`.
"""

from collections.abc import Mapping

import orjson
from solders.pubkey import Pubkey

_MOST_BYTES = 64 * 1024 * 1024
"""Above this everything is dropped: simpler than tracking use, at the price of one slow answer an account."""

_MOST_SHAPES = 32
"""Each costs a lookup at every write."""

Shape = tuple[str, tuple[int, int] | None]
"""Encoding and data slice: what a client asked for."""


class SettledJson:
    """Fragments by shape and address."""

    def __init__(self) -> None:
        self._by_shape: dict[Shape, dict[Pubkey, orjson.Fragment]] = {}
        self._bytes = 0

    def of_shape(self, shape: Shape) -> Mapping[Pubkey, orjson.Fragment]:
        """All accounts that are ready in this shape."""
        return self._by_shape.get(shape, {})

    def keep(self, address: Pubkey, shape: Shape, shown: object) -> orjson.Fragment:
        """Encodes and keeps it."""
        encoded = orjson.dumps(shown)
        self._bytes += len(encoded)
        if self._bytes > _MOST_BYTES or len(self._by_shape) > _MOST_SHAPES:
            self._by_shape.clear()
            self._bytes = len(encoded)
        fragment = orjson.Fragment(encoded)
        self._by_shape.setdefault(shape, {})[address] = fragment
        return fragment

    def changed(self, address: Pubkey) -> None:
        """Forgets an account that was written."""
        for ready in self._by_shape.values():
            ready.pop(address, None)
