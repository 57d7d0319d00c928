"""The JSON of accounts that have not changed lately, ready to be put into an answer.

Most reads ask again and again for the same accounts. An account that is the same at all commitment levels is
encoded once; whoever writes it says so here.
"""

import orjson
from solders.pubkey import Pubkey

_MOST_BYTES = 64 * 1024 * 1024
"""When there is more, all is dropped: simpler than to know what is used, and it costs each account one slow answer."""

Shape = tuple[str, tuple[int, int] | None]
"""Encoding and data slice: what a client asked for."""


class SettledJson:
    """Fragments by address and shape."""

    def __init__(self) -> None:
        self._by_address: dict[Pubkey, dict[Shape, orjson.Fragment]] = {}
        self._bytes = 0

    def get(self, address: Pubkey, shape: Shape) -> orjson.Fragment | None:
        """The account as JSON, or None where it must be encoded."""
        made = self._by_address.get(address)
        return None if made is None else made.get(shape)

    def keep(self, address: Pubkey, shape: Shape, shown: object) -> orjson.Fragment:
        """Encodes and keeps it."""
        encoded = orjson.dumps(shown)
        self._bytes += len(encoded)
        if self._bytes > _MOST_BYTES:
            self._by_address.clear()
            self._bytes = len(encoded)
        fragment = orjson.Fragment(encoded)
        self._by_address.setdefault(address, {})[shape] = fragment
        return fragment

    def changed(self, address: Pubkey) -> None:
        """Forgets an account that was written."""
        self._by_address.pop(address, None)
