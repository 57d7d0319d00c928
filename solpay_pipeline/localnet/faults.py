"""Faults that a node can have, thrown with a seeded die: each hits some methods, with a probability or a
number of times.

What a fault does to a request: refuse it (rate limits, node behind, server errors), slow it down, lose it
before or after it took effect, garble its answer, or play with a transaction's fate after a good answer.
"""

import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from solpay_pipeline.localnet.errors import TransactionErrorJson

FaultKind = Literal[
    "rate_limit",
    "rate_limit_body",
    "node_behind",
    "server_error",
    "rpc_error",
    "latency",
    "drop_before",
    "drop_after",
    "truncate",
    "wrong_id",
    "swallow",
    "land_failed",
    "land_late",
]
"""rate_limit: HTTP 429, with Retry-After where `retry_after` is set. rate_limit_body: HTTP 200 with error
`code` (default -32429). node_behind: -32005, with data.numSlotsBehind where `slots` is set. server_error:
HTTP `status` (default 502) with an HTML body. rpc_error: HTTP 200 with error `code` and `message`. latency:
`seconds` more. drop_before: connection closed, no effect. drop_after: the effect happens, the connection is
closed without an answer. truncate: the effect happens, half of the answer arrives. wrong_id: answer to
another request's id. swallow: sendTransaction answers well, nothing lands. land_failed: passes preflight,
lands with `err`, only the fee is taken. land_late: answers well, lands `slots` later."""

_TRANSACTION_KINDS = frozenset({"swallow", "land_failed", "land_late"})


@dataclass(slots=True)
class Fault:
    """One fault. `methods` None: all of them. `times` None: without end; it counts down as it strikes."""

    kind: FaultKind
    methods: frozenset[str] | set[str] | None = None
    probability: float = 1.0
    times: int | None = None
    retry_after: float | None = None
    seconds: float = 0.0
    slots: int | None = None
    status: int = 502
    code: int = -32429
    message: str = "Too many requests"
    err: TransactionErrorJson = field(default_factory=lambda: {"InstructionError": [0, {"Custom": 1}]})

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault kind {self.kind!r}; there are {', '.join(get_args(FaultKind))}")
        if not 0 <= self.probability <= 1:
            raise ValueError("probability lies between 0 and 1")

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> "Fault":
        """A fault from an admin call; TypeError or ValueError where a member is unknown or wrong."""
        methods = members.get("methods")
        return cls(**{**members, "methods": None if methods is None else frozenset(methods)})


class Faults:
    """The faults that are switched on. Of several that strike one request, all take effect, in the order of
    adding.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 a die that must fall the same way again
        self._lock = threading.Lock()
        self._active: list[Fault] = []
        self.struck: dict[str, int] = {}

    def add(self, fault: Fault) -> Fault:
        """Switches a fault on; returns it, so that `remove` can name it."""
        with self._lock:
            self._active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switches one fault off; nothing happens where it was off."""
        with self._lock:
            self._active = [other for other in self._active if other is not fault]

    def clear(self) -> None:
        """Switches all off."""
        with self._lock:
            self._active.clear()

    def strike(self, methods: Iterable[str]) -> list[Fault]:
        """Throws the die for one HTTP request that calls these methods: the faults that hit it."""
        called = set(methods)
        hits = []
        with self._lock:
            for fault in self._active:
                if fault.kind in _TRANSACTION_KINDS and "sendTransaction" not in called:
                    continue
                if fault.times == 0 or (fault.methods is not None and called.isdisjoint(fault.methods)):
                    continue
                if fault.probability < 1 and self._random.random() >= fault.probability:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
                hits.append(fault)
        return hits
