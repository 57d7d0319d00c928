"""Which endpoint answers the next call, and when: retries, rests and failover.

A call goes to the first endpoint that may be asked. What an answer is about decides what follows. The node: it rests,
the next endpoint is asked, and while all rest callers wait, until their retry window is over. Our question: each other
endpoint is asked once. One item: each other endpoint is asked, then a control question, whose answer tells whether the
item or the node is at fault. The chain: final. An endpoint of another cluster stops everything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

from solpay_pipeline.chain.rpc import parsing
from solpay_pipeline.chain.rpc.controls import Controls
from solpay_pipeline.chain.rpc.dialects import MEANINGS, Meaning
from solpay_pipeline.chain.rpc.errors import (
    ChainError,
    Forbidden,
    MalformedAnswer,
    MethodMissing,
    NoBlock,
    Refused,
    RpcRejected,
    ShortHistory,
    TransactionRefused,
    Transient,
    Unanswered,
    UnknownCursor,
    Unreadable,
    UnsupportedVersion,
    WrongCluster,
)
from solpay_pipeline.chain.rpc.node import BACKOFF_SECONDS, Node, backoff

T = TypeVar("T")

GENESIS = {
    "mainnet-beta": "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "devnet": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
    "testnet": "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",
}
"""Genesis hashes of the public clusters (solana.com/docs/references/clusters)."""

LOCALNET = "localnet"
"""Any cluster that is not one of the public ones."""

ITEM_TRIES = 2
"""How often each endpoint is asked about an item before the item is suspected."""

CONTROL_SECONDS = 30.0
"""For so long one good answer to a control question clears a node of blame."""

_NOT_OFFERED = (Forbidden, MethodMissing)
_SAYS_WHY = (UnsupportedVersion, UnknownCursor, NoBlock, ShortHistory)
"""Refusals about one item that a caller knows what to do with."""


class About(Enum):
    """Whom a question can fail for, besides the node that is asked and our question itself."""

    NODE = auto()
    """Nobody else."""

    ITEM = auto()
    """The one item that it is about."""

    BATCH = auto()
    """One of the items that it is about."""

    LONE = auto()
    """The one item that is left of a batch; whether its parameters are taken does not depend on it."""


@dataclass(slots=True)
class _Asking:
    """One call under way. `refused` are the endpoints that will not answer it, and why; `trouble` is a node's last."""

    method: str
    deadline: float
    about: About
    refused: dict[int, ChainError] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    trouble: ChainError | None = None


class Failover:
    """Asks the first of `nodes` that may be asked. `slots` bounds the calls at a time over all of them."""

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
        self.controls = Controls()
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
        alone.controls = self.controls
        return alone

    async def ask(
        self,
        call: Callable[[Node], Awaitable[T]],
        method: str,
        *,
        retry: bool = True,
        about: About = About.NODE,
    ) -> T:
        """Have a node make `call`, which is one of `method`. With `retry` off, a call that may have reached a node is
        not made again.

        Raises:
            Unanswered: no endpoint answers about this item or batch, though they answer about others.
            Transient: still so when the retry window was over.
            Permanent: the chain said so, or every endpoint refuses the question.
        """
        asking = _Asking(method, self._clock() + self._window, about)
        asking.refused = {
            at: node.lacking[method] for at, node in enumerate(self.nodes) if method in node.lacking
        }
        while True:
            if len(asking.refused) == len(self.nodes):
                await self._conclude(asking)
            at, node = await self._ready(asking)
            queued_since = self._clock()
            async with self._slots:
                await node.limiter.wait()
                # Time in our own queue must not use up the window.
                asking.deadline += self._clock() - queued_since
                if node.is_resting(method) or node.is_used_up():
                    continue
                try:
                    await self._admit(node)
                    answer = await call(node)
                except ChainError as failure:
                    self._failed(asking, at, failure)
                    if not retry and not isinstance(failure, _NOT_OFFERED):
                        raise
                else:
                    node.answered(method)
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
            if isinstance(outcome, BaseException) and (
                isinstance(outcome, WrongCluster) or not isinstance(outcome, ChainError)
            ):
                raise outcome
        if all(node.genesis is None for node in self.nodes):
            await self.ask(self._admit, "getGenesisHash")
        found = [(node.genesis, node.name) for node in self.nodes if node.genesis is not None]
        # `localnet` fits many clusters; from here on it is this one.
        self.cluster = genesis = found[0][0]
        for other, name in found:
            if other != genesis:
                raise WrongCluster(genesis, other, name)
        return genesis

    async def _look_once(self, node: Node) -> None:
        await self.only(node, window_seconds=0.0).ask(self._admit, "getGenesisHash", retry=False)

    async def _admit(self, node: Node) -> None:
        if self.cluster is None or node.genesis is not None:
            return
        try:
            found = str(await node.transport.read(parsing.hash_value, "getGenesisHash"))
        except (Refused, Unreadable) as trouble:
            # Whatever the call is about that comes next, this is not its fault.
            raise MalformedAnswer(str(trouble), retry_after=trouble.retry_after) from None
        if not _fits(self.cluster, found):
            names = {genesis: name for name, genesis in GENESIS.items()}
            raise WrongCluster(self.cluster, names.get(found, found), node.name)
        node.genesis = found
        await node.limiter.wait()

    def _failed(self, asking: _Asking, at: int, failure: ChainError) -> None:
        """Note whom a failure concerns. Raises it where it is final for all."""
        node = self.nodes[at]
        match failure:
            case Forbidden() | MethodMissing():
                node.failed(failure, asking.method)
                asking.refused[at] = failure
                if isinstance(failure, MethodMissing) and MEANINGS.get(failure.code) is Meaning.NO_METHOD:
                    node.lacking[failure.method] = failure
            case TransactionRefused():
                raise failure
            case RpcRejected():
                asking.refused[at] = failure
            case Refused() | Unreadable() if asking.about is not About.NODE:
                asking.trouble = failure
                asking.tries[at] = asking.tries.get(at, 0) + 1
                is_late = self._clock() + BACKOFF_SECONDS > asking.deadline
                # Of a batch the halves are asked next, which is another try.
                if asking.about is About.BATCH or asking.tries[at] >= ITEM_TRIES or is_late:
                    asking.refused[at] = failure
            case Transient():
                node.failed(failure, asking.method)
                asking.trouble = failure
            case _:
                raise failure

    async def _conclude(self, asking: _Asking) -> None:
        """Raise what follows where every endpoint refuses; return where it is the nodes' fault, and passes."""
        failures = list(asking.refused.values())
        telling = next((one for one in failures if not isinstance(one, _NOT_OFFERED)), failures[0])
        is_final = isinstance(telling, (*_NOT_OFFERED, *_SAYS_WHY)) or asking.about is About.NODE
        if is_final or (asking.about is not About.ITEM and isinstance(telling, RpcRejected)):
            raise telling
        if await self._answers_control(asking.method):
            raise Unanswered(f"no endpoint answers about it: {telling}")
        if not isinstance(telling, Transient):
            raise telling
        for at, failure in list(asking.refused.items()):
            if isinstance(failure, Transient):
                self.nodes[at].failed(failure, asking.method)
                del asking.refused[at]
        asking.tries.clear()
        asking.trouble = telling

    async def _answers_control(self, method: str) -> bool:
        """Whether a node answers the control question of a method; True for a method that has none."""
        question = self.controls.questions.get(method)
        passed_at = self.controls.passed_at.get(method)
        if question is None or (passed_at is not None and self._clock() - passed_at < CONTROL_SECONDS):
            return True
        for node in self.nodes:
            if node.is_resting(question.method):
                continue
            async with self._slots:
                await node.limiter.wait()
                try:
                    answer = await node.transport.ask(question.method, question.params)
                except ChainError:
                    continue
            if answer is not None:
                self.controls.passed_at[method] = self._clock()
                return True
        return False

    async def _ready(self, asking: _Asking) -> tuple[int, Node]:
        """The first endpoint that may be asked, waiting for one while the window lasts.

        Those that have been asked about an item come after those that have not, and after a moment.
        """
        willing = [(at, node) for at, node in enumerate(self.nodes) if at not in asking.refused]
        willing.sort(key=lambda one: asking.tries.get(one[0], 0))
        while True:
            now = self._clock()
            if asking.trouble is not None and now >= asking.deadline:
                raise asking.trouble
            ready = next((one for one in willing if not one[1].is_resting(asking.method)), None)
            if ready is not None:
                if tries := asking.tries.get(ready[0], 0):
                    await self._sleep(backoff(tries))
                return ready
            _, first = min(willing, key=lambda one: one[1].rests_until(asking.method))
            until = first.rests_until(asking.method)
            if until > asking.deadline:
                raise asking.trouble or first.why_resting(asking.method)
            first.tell_rest(asking.method)
            await self._sleep(until - now)


def _fits(expected: str, found: str) -> bool:
    if expected == LOCALNET:
        return found not in GENESIS.values()
    return found == GENESIS.get(expected, expected)
