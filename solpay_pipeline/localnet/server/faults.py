"""Faults of a node, drawn with a seeded die: each hits some methods, with a probability or a number of times.

What a fault does to a request: refuse it (rate limits, node behind, server errors), slow it down, lose it before or
after it took effect, repeat it, garble its answer, or change how a transaction ends after a good answer.
"""

import random
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from solpay_pipeline.localnet.chain.errors import TransactionErrorJson
from solpay_pipeline.localnet.server.rates import Window

FaultKind = Literal[
    "rate_limit",
    "rate_limit_body",
    "request_limit",
    "connection_limit",
    "node_behind",
    "server_error",
    "rpc_error",
    "latency",
    "slow_body",
    "drop_before",
    "drop_after",
    "truncate",
    "wrong_id",
    "duplicate_request",
    "duplicate_rows",
    "swallow",
    "land_failed",
    "land_late",
    "status_late",
]
"""rate_limit: HTTP 429, with Retry-After where `retry_after` is set. rate_limit_body: HTTP 200 with error `code`
(default -32429). request_limit: HTTP 429 with Retry-After for all above `requests` in `window_seconds`, counted
together or, with `per_method`, for each method. connection_limit: HTTP 429 on every connection above `requests` open
ones. node_behind: -32005, with data.numSlotsBehind where `slots` is set. server_error: HTTP `status` (default 502) with
an HTML body. rpc_error: HTTP 200 with error `code` and `message`. latency: `seconds` more, by `distribution`.
slow_body: the answer drips in over `seconds`. drop_before: connection closed, no effect. drop_after: the effect
happens, the connection is closed without an answer. truncate: the effect happens, half of the answer arrives. wrong_id:
answer to another request's id. duplicate_request: the request is carried out twice, the second answer is given.
duplicate_rows: every row of getSignaturesForAddress comes twice. swallow: sendTransaction answers well, nothing lands.
land_failed: passes preflight, lands with `err`, only the fee is taken. land_late: answers well, lands `slots` later.
status_late: lands at once, and is hidden in this endpoint's history for `slots` slots."""

Distribution = Literal["fixed", "uniform", "exponential", "lognormal"]
"""fixed: `seconds`. uniform: from 0 to twice `seconds`. exponential: `seconds` on average. lognormal: `seconds` as
median, with `spread` (sigma) for the long tail."""

PRESETS: dict[str, tuple[dict[str, Any], ...]] = {
    # https://solana.com/docs/references/clusters: the limits of api.mainnet-beta.solana.com for one IP.
    "public": (
        {"kind": "request_limit", "requests": 100, "window_seconds": 10.0},
        {"kind": "request_limit", "requests": 40, "window_seconds": 10.0, "per_method": True},
        {"kind": "connection_limit", "requests": 40},
    ),
    "flaky": (
        {"kind": "latency", "seconds": 0.05, "distribution": "lognormal", "spread": 1.0},
        {"kind": "rate_limit", "probability": 0.02, "retry_after": 1.0},
        {"kind": "server_error", "probability": 0.01},
        {"kind": "drop_before", "probability": 0.005},
        {"kind": "drop_after", "probability": 0.005},
        {"kind": "truncate", "probability": 0.005},
        {"kind": "swallow", "probability": 0.02},
        {"kind": "land_late", "probability": 0.02, "slots": 20},
    ),
}
"""Groups of faults, by a name that can be used in lists of faults."""

_TRANSACTION_KINDS = frozenset({"swallow", "land_failed", "land_late", "status_late"})


@dataclass(slots=True)
class Fault:
    """One fault. `methods` None: all. `items` None: all; else it hits only requests with one of these texts, addresses
    or signatures, among their parameters. `times` None: without end; it counts down with each hit.
    """

    kind: FaultKind
    methods: frozenset[str] | set[str] | None = None
    items: frozenset[str] | set[str] | None = None
    probability: float = 1.0
    times: int | None = None
    retry_after: float | None = None
    seconds: float = 0.0
    slots: int | None = None
    status: int = 502
    code: int = -32429
    message: str = "Too many requests"
    err: TransactionErrorJson = field(default_factory=lambda: {"InstructionError": [0, {"Custom": 1}]})
    distribution: Distribution = "fixed"
    spread: float = 1.0
    requests: int = 0
    window_seconds: float = 1.0
    per_method: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault kind {self.kind!r}; there are {', '.join(get_args(FaultKind))}")
        if self.distribution not in get_args(Distribution):
            raise ValueError(
                f"unknown distribution {self.distribution!r}; there are {', '.join(get_args(Distribution))}"
            )
        if not 0 <= self.probability <= 1:
            raise ValueError("probability lies between 0 and 1")
        if self.seconds < 0 or self.spread < 0 or self.window_seconds <= 0 or self.requests < 0:
            raise ValueError("seconds, spread and requests are not below 0, window_seconds is above 0")

    def concerns(self, method: str, items: Collection[str]) -> bool:
        """Whether it is meant for a call of this method with these texts among its parameters."""
        is_meant = self.methods is None or method in self.methods
        return is_meant and (self.items is None or not self.items.isdisjoint(items))

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> "Fault":
        """A fault from an admin call or a file; TypeError or ValueError where a member is unknown or wrong."""
        named = {
            name: frozenset(members[name]) for name in ("methods", "items") if members.get(name) is not None
        }
        return cls(**{**members, **named})


def faults_from_json(listed: object) -> list[Fault]:
    """Faults from a list of objects and names of presets; TypeError or ValueError where something is wrong."""
    if not isinstance(listed, list):
        raise TypeError("faults are a list")
    made = []
    for each in listed:
        if isinstance(each, str):
            if each not in PRESETS:
                raise ValueError(f"unknown preset {each!r}; there are {', '.join(PRESETS)}")
            made += [Fault.from_json(members) for members in PRESETS[each]]
        elif isinstance(each, dict):
            made.append(Fault.from_json(each))
        else:
            raise TypeError("a fault is an object or the name of a preset")
    return made


class Faults:
    """The faults that are switched on. Where several hit one request, all take effect, in the order of adding."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 a die that must fall the same way again
        self._lock = threading.Lock()
        self._active: list[Fault] = []
        self._windows: dict[int, Window] = {}
        self.struck: dict[str, int] = {}

    def add(self, fault: Fault) -> Fault:
        """Switches a fault on; returns it, so that `remove` can name it."""
        with self._lock:
            self._active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switches one fault off, if it is on."""
        with self._lock:
            self._active = [other for other in self._active if other is not fault]
            self._windows.pop(id(fault), None)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Switches all off and these on."""
        with self._lock:
            self._active = list(faults)
            self._windows.clear()

    def clear(self) -> None:
        """Switches all off."""
        self.replace([])

    @property
    def name_items(self) -> bool:
        """Whether one that is switched on hits only some items."""
        return any(fault.items is not None for fault in self._active)

    def strike(self, methods: Iterable[str], connection: int = 0, items: Collection[str] = ()) -> list[Fault]:
        """Draws the faults that hit one HTTP request with these methods. `connection`: how many connections were open
        when the request's own was made, itself included. `items`: the texts among its parameters.
        """
        if not self._active:
            return []
        called = list(methods)
        hits = []
        with self._lock:
            for fault in self._active:
                if fault.kind in _TRANSACTION_KINDS and "sendTransaction" not in called:
                    continue
                if fault.times == 0 or not called:
                    continue
                if fault.methods is not None and fault.methods.isdisjoint(called):
                    continue
                if fault.items is not None and fault.items.isdisjoint(items):
                    continue
                if fault.probability < 1 and self._random.random() >= fault.probability:
                    continue
                if fault.kind == "request_limit" and not self._exceeds(fault, called):
                    continue
                if fault.kind == "connection_limit" and connection <= fault.requests:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
                hits.append(fault)
        return hits

    def delay(self, fault: Fault) -> float:
        """Seconds for this request to wait, drawn from the fault's distribution."""
        with self._lock:
            match fault.distribution:
                case "uniform":
                    return self._random.uniform(0, 2 * fault.seconds)
                case "exponential":
                    return self._random.expovariate(1 / fault.seconds) if fault.seconds else 0.0
                case "lognormal":
                    return fault.seconds * self._random.lognormvariate(0, fault.spread)
        return fault.seconds

    def retry_after(self, fault: Fault) -> float | None:
        """Seconds that a refused client is asked to wait; None where it is not asked to."""
        if fault.kind != "request_limit" or fault.retry_after is not None:
            return fault.retry_after
        with self._lock:
            window = self._windows.get(id(fault))
            return None if window is None else window.seconds_left()

    def _exceeds(self, fault: Fault, called: list[str]) -> bool:
        window = self._windows.setdefault(id(fault), Window(fault.window_seconds))
        keys = called if fault.per_method else [""] * len(called)
        counted = [window.count(key) for key in keys]
        return max(counted) > fault.requests
