"""The JSON of accounts that have not changed lately, ready to be put into an answer.

Most reads ask again and again for the same accounts. An account that is the same at all commitment levels is
encoded once; whoever writes it says so here.
"""

import orjson
from solders.pubkey import Pubkey

_KEPT = 50_000
"""Accounts. When there are more, all are dropped: simpler than to know which, and it costs each one slow answer."""

Shape = tuple[str, tuple[int, int] | None]
"""Encoding and data slice: what a client asked for."""


class SettledJson:
    """Fragments by address and shape."""

    def __init__(self) -> None:
        self._by_address: dict[Pubkey, dict[Shape, orjson.Fragment]] = {}

    def get(self, address: Pubkey, shape: Shape) -> orjson.Fragment | None:
        """The account as JSON, or None where it must be encoded."""
        made = self._by_address.get(address)
        return None if made is None else made.get(shape)

    def keep(self, address: Pubkey, shape: Shape, shown: object) -> orjson.Fragment:
        """Encodes and keeps it."""
        if len(self._by_address) >= _KEPT:
            self._by_address.clear()
        fragment = orjson.Fragment(orjson.dumps(shown))
        self._by_address.setdefault(address, {})[shape] = fragment
        return fragment

    def changed(self, address: Pubkey) -> None:
        """Forgets an account that was written."""
        self._by_address.pop(address, None)
