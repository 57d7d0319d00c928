"""What a run costs that finds nothing to do, and how a rate limit is kept."""

import sys
from dataclasses import dataclass
from statistics import median

from benchmarks.processes import run
from benchmarks.scenarios import SCENARIOS, staged

REQUESTS_A_SECOND = 10
WINDOW_SECONDS = 10.0
IDLE_RUNS = 5


@dataclass(frozen=True, slots=True)
class Idle:
    """`solpay maintain` in a shop whose payments are all live: the whole command, `seconds` of each run in order.

    `calls` are those of the run that took most.
    """

    latency_ms: int
    seconds: tuple[float, ...]
    calls: int

    @property
    def median(self) -> float:
        """Seconds of the run in the middle: one start alone tells more of the machine's moment."""
        return median(self.seconds)


@dataclass(frozen=True, slots=True)
class Limited:
    """A sweep against a node that refuses more than ten requests a second, as public endpoints do.

    `allowed_seconds` is what its calls take at that pace; `refused` those that were answered 429.
    """

    size: int
    is_told: bool
    seconds: float
    allowed_seconds: float
    calls: int
    refused: int


def maintain_nothing(latency_ms: int) -> Idle:
    """Every payment is live: nothing is due, nothing to sweep, nothing to close."""
    runs = [_maintained(latency_ms) for _ in range(IDLE_RUNS)]
    return Idle(latency_ms, tuple(sorted(seconds for seconds, _ in runs)), max(calls for _, calls in runs))


def _maintained(latency_ms: int) -> tuple[float, int]:
    with staged(SCENARIOS["recheck-unpaid"], 50) as (shop, database, chain):
        chain.set_latency(latency_ms / 1000)
        chain.reset()
        command = [sys.executable, "-m", "solpay_pipeline", "maintain", "--json"]
        cost = run(command, shop.our_environment(database, chain.url))
        return cost.wall, chain.counted().calls


def under_a_limit(size: int) -> list[Limited]:
    """With SOLPAY_RPC_RATE_LIMIT set to what the node allows, and without, where only its refusals tell."""
    return [_limited(size, is_told) for is_told in (True, False)]


def _limited(size: int, is_told: bool) -> Limited:
    with staged(SCENARIOS["sweep-SPL"], size) as (shop, database, chain):
        limit = {"kind": "request_limit", "requests": int(REQUESTS_A_SECOND * WINDOW_SECONDS)}
        chain.set_faults([{**limit, "window_seconds": WINDOW_SECONDS}])
        chain.reset()
        environment = shop.our_environment(database, chain.url)
        if is_told:
            environment["SOLPAY_RPC_RATE_LIMIT"] = str(REQUESTS_A_SECOND)
        told = run([sys.executable, "-m", "benchmarks.our_side", "sweep", "{}"], environment).told
        counted = chain.call("localnet_calls", False)
        calls, refused = sum(counted["calls"].values()), counted["faults"].get("request_limit", 0)
        return Limited(size, is_told, told["wall"], (calls - refused) / REQUESTS_A_SECOND, calls, refused)
