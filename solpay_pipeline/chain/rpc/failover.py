"""Which endpoint answers the next call, and when: retries, rests and failover.

An endpoint that fails rests, for as long as it asked or with capped exponential backoff. It rests for all callers: a
Retry-After given to one call holds for every call. While all endpoints rest callers wait, until their retry window is
over; then they get the last typed error. An endpoint of another cluster stops everything.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from solpay_pipeline.base.waiting import tell_wait
from solpay_pipeline.chain.rpc import parsing
from solpay_pipeline.chain.rpc.allowance import Allowance
from solpay_pipeline.chain.rpc.errors import (
    ChainError,
    Forbidden,
    RateLimited,
    Transient,
    Unreachable,
    WrongCluster,
)
from solpay_pipeline.chain.rpc.pace import Limiter
from solpay_pipeline.chain.rpc.transport import Transport

T = TypeVar("T")

GENESIS = {
    "mainnet-beta": "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "devnet": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
    "testnet": "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",
}
"""Genesis hashes of the public clusters (solana.com/docs/references/clusters)."""

LOCALNET = "localnet"
"""Any cluster that is not one of the public ones."""

BACKOFF_SECONDS = 0.25
BACKOFF_CAP_SECONDS = 8.0
"""A first failure costs half a slot or so; an outage is asked about every few seconds."""

FORBIDDEN_REST_SECONDS = 60.0
"""A refused key stays refused, but a new plan or a lifted block should be noticed within a run."""

LONGEST_REST_SECONDS = 3600.0
"""A longer Retry-After is taken for a mistake."""


@dataclass(slots=True)
class Node:
    """One endpoint and how it has behaved. `genesis` is None until its cluster has been checked."""

    name: str
    transport: Transport
    limiter: Limiter
    clock: Callable[[], float]
    genesis: str | None = None
    rest_until: float = float("-inf")
    told_until: float = float("-inf")
    failures: int = 0
    last_error: ChainError | None = field(default=None, repr=False)
    history_from: int | None = None
    """The oldest slot whose block this endpoint had when it was first asked."""
    first_asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    allowance: Allowance = field(default_factory=Allowance, repr=False)

    @property
    def is_resting(self) -> bool:
        """Whether this endpoint must be left alone for now."""
        return self.clock() < self.rest_until

    def is_used_up(self) -> bool:
        """Count a call that is about to be made. True where it would be refused: the endpoint then rests."""
        until = self.allowance.take(self.clock())
        if until is not None:
            self.rest_until = max(self.rest_until, until)
        return until is not None

    def failed(self, error: ChainError) -> None:
        """Let the endpoint rest. Of calls that fail together only the first lengthens the backoff."""
        now = self.clock()
        asked = error.retry_after if isinstance(error, Transient) else FORBIDDEN_REST_SECONDS
        if asked is None and self.is_resting:
            return
        self.failures += 0 if self.is_resting else 1
        self.last_error = error
        # A node that asks for no wait at all still gets the backoff.
        rest = max(min(asked or 0.0, LONGEST_REST_SECONDS), _backoff(self.failures))
        self.rest_until = max(self.rest_until, now + rest)
        if isinstance(error, RateLimited) and asked is not None:
            self.allowance.refused(self.rest_until)

    def tell_rest(self, now: float) -> None:
        """Say that this endpoint is waited for, once a rest."""
        if self.told_until < self.rest_until:
            self.told_until = self.rest_until
            tell_wait(self.rest_until - now, str(self.last_error or f"{self.name} is used up for now"))

    def answered(self) -> None:
        """Forget earlier failures, but not a rest that another call was asked for."""
        if not self.is_resting:
            self.failures = 0


class Failover:
    """Asks the first of `nodes` that is not resting. `slots` bounds the calls at a time over all of them."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        slots: asyncio.Semaphore,
        window_seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.nodes = tuple(nodes)
        self.cluster: str | None = None
        self._slots = slots
        self._window = window_seconds
        self._clock = clock
        self._sleep = sleep

    def only(self, node: Node, *, window_seconds: float) -> "Failover":
        """The same connections, pace and rests, but this endpoint alone and within a shorter window."""
        alone = Failover(
            [node],
            slots=self._slots,
            window_seconds=min(window_seconds, self._window),
            clock=self._clock,
            sleep=self._sleep,
        )
        alone.cluster = self.cluster
        return alone

    async def ask(self, call: Callable[[Node], Awaitable[T]], *, retry: bool = True) -> T:
        """Have a node make `call`. With `retry` off, a call that may have reached a node is not made again.

        Raises:
            Transient: still so when the retry window was over.
            Permanent: at once, but Forbidden only when every endpoint forbids.
        """
        deadline = self._clock() + self._window
        error: ChainError | None = None
        while True:
            node = await self._ready(deadline, error)
            queued_since = self._clock()
            async with self._slots:
                await node.limiter.wait()
                # Time in our own queue must not use up the window.
                deadline += self._clock() - queued_since
                if node.is_resting or node.is_used_up():
                    continue
                try:
                    await self._admit(node)
                    answer = await call(node)
                except Transient as failure:
                    node.failed(failure)
                    if not retry:
                        raise
                    error = failure
                except Forbidden as failure:
                    node.failed(failure)
                    if all(isinstance(each.last_error, Forbidden) and each.is_resting for each in self.nodes):
                        raise
                    error = failure
                else:
                    node.answered()
                    return answer

    async def check_cluster(self, expected: str) -> str:
        """Check the genesis hash of every endpoint, and return it. One that is down is checked before its first use.

        Raises:
            WrongCluster: an endpoint serves another chain than `expected`, or than the endpoint before it.
            Transient, Forbidden: no endpoint could be asked.
        """
        self.cluster = expected
        for node in self.nodes:
            node.genesis = None
        first_look = await asyncio.gather(*map(self._look_once, self.nodes), return_exceptions=True)
        for outcome in first_look:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Transient | Forbidden):
                raise outcome
        if all(node.genesis is None for node in self.nodes):
            await self.ask(self._admit)
        found = [(node.genesis, node.name) for node in self.nodes if node.genesis is not None]
        # `localnet` fits many clusters; from here on it is this one.
        self.cluster = genesis = found[0][0]
        for other, name in found:
            if other != genesis:
                raise WrongCluster(genesis, other, name)
        return genesis

    async def _look_once(self, node: Node) -> None:
        await self.only(node, window_seconds=0.0).ask(self._admit, retry=False)

    async def _admit(self, node: Node) -> None:
        if self.cluster is None or node.genesis is not None:
            return
        found = str(await node.transport.read(parsing.hash_value, "getGenesisHash"))
        if not _fits(self.cluster, found):
            names = {genesis: name for name, genesis in GENESIS.items()}
            raise WrongCluster(self.cluster, names.get(found, found), node.name)
        node.genesis = found
        await node.limiter.wait()

    async def _ready(self, deadline: float, error: ChainError | None) -> Node:
        """The first endpoint that is not resting, waiting for one while the window lasts."""
        while True:
            now = self._clock()
            if error is not None and now >= deadline:
                raise error
            ready = next((node for node in self.nodes if not node.is_resting), None)
            if ready is not None:
                return ready
            first = min(self.nodes, key=lambda node: node.rest_until)
            if first.rest_until > deadline:
                raise error or first.last_error or Unreachable(f"{first.name} is resting")
            first.tell_rest(now)
            await self._sleep(first.rest_until - now)


def _fits(expected: str, found: str) -> bool:
    if expected == LOCALNET:
        return found not in GENESIS.values()
    return found == GENESIS.get(expected, expected)


def _backoff(failures: int) -> float:
    """Seconds of rest after so many failures in a row, jittered so that two clients do not come back together."""
    full = min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2.0 ** min(failures - 1, 16))
    return full * random.uniform(0.5, 1.0)  # noqa: S311  (nothing secret about it)
