"""The Solana JSON-RPC as the pipeline needs it: typed answers, batches of any size, and typed errors only.

A call that fails in passing is made again within the retry window, at the next endpoint where there is one; then its
error is raised. Reading an answer is part of the call. `send` alone is never repeated here: whether a failed send
reached a node is for `sending/broadcast.py` to find out.
"""

import asyncio
import base64
import copy
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

from solders.account import Account
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc import parsing, plausible
from solpay_pipeline.chain.rpc.answers import (
    AccountsAt,
    HistoryPage,
    RecentBlockhash,
    Simulation,
    StatusesAt,
    TransactionRecord,
)
from solpay_pipeline.chain.rpc.batching import Batch, Batcher, Reader
from solpay_pipeline.chain.rpc.errors import (
    Forbidden,
    MalformedAnswer,
    MethodMissing,
    NoBlock,
    NodeBehind,
    RpcRejected,
    ShortHistory,
    Unreadable,
)
from solpay_pipeline.chain.rpc.failover import GENESIS, About, Failover
from solpay_pipeline.chain.rpc.node import Node
from solpay_pipeline.chain.rpc.options import Endpoint, RpcOptions
from solpay_pipeline.chain.rpc.pace import Limiter
from solpay_pipeline.chain.rpc.plausible import contradiction
from solpay_pipeline.chain.rpc.transport import Transport
from solpay_pipeline.lifecycle.terms import Commitment

__all__ = ["Endpoint", "Rpc", "RpcOptions"]

T = TypeVar("T")

ACCOUNTS_PER_CALL = 100
STATUSES_PER_CALL = 256
"""Limits of the RPC itself (solana.com/docs/rpc/http); providers may allow less."""

HIGHEST_VERSION = 1
"""Version 1 transactions are live since 15 September 2026; asking with less hides them (-32015)."""

FEE_ACCOUNTS = 128
"""Addresses that getRecentPrioritizationFees takes."""

WITNESS_WINDOW_SECONDS = 3.0
"""A witness that has not answered by then is left out: waiting for one keeps all others waiting."""


class Rpc:
    """A client of one cluster over one or more endpoints, the first preferred. Use it as a context manager.

    Every method raises `Transient` when the retry window is over and `Permanent` at once; `calls` counts the
    HTTP requests by RPC method.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        options: RpcOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not endpoints:
            raise ValueError("at least one RPC endpoint is needed")
        options = options or RpcOptions()
        self.calls: Counter[str] = Counter()
        limiter = Limiter(rate_limit=options.rate_limit, spacing=options.sleep, clock=clock, sleep=sleep)
        self.failover = Failover(
            [_node(endpoint, options, limiter, clock, self.calls) for endpoint in endpoints],
            slots=asyncio.Semaphore(options.max_concurrency),
            window_seconds=options.retry_window_seconds,
            clock=clock,
            sleep=sleep,
        )
        self._accounts = Batcher(ACCOUNTS_PER_CALL, clock)
        self._statuses = Batcher(STATUSES_PER_CALL, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.failover.nodes:
            await node.transport.close()

    async def check_cluster(self, expected: str) -> str:
        """Make sure that every endpoint serves `expected`: a cluster's name, `localnet`, or a genesis hash.

        Returns the genesis hash. An endpoint that is down is checked before its first use. Raises WrongCluster.
        """
        return await self.failover.check_cluster(expected)

    def witnesses(self) -> tuple["Rpc", ...]:
        """A client for each endpoint alone: same connections, same pace, a short retry window."""
        return tuple(self._alone(node) for node in self.failover.nodes)

    def know(self, account: Pubkey, landed: str | None) -> None:
        """What the nodes must be able to answer about: an account, and a transaction that is final for long.

        With it a node in trouble is told from an item that no node can answer about.
        """
        self.failover.controls.know(account, landed)

    @property
    def landed(self) -> str | None:
        """The transaction that the nodes must know, as far as we know one."""
        return self.failover.controls.landed

    async def genesis_hash(self) -> str:
        """The cluster's genesis hash, base58."""
        return str(await self._read(parsing.hash_value, "getGenesisHash"))

    async def latest_blockhash(self, commitment: Commitment) -> RecentBlockhash:
        """A blockhash to sign with, from a node whose numbers make sense (docs/solana.md#when-a-signature-is-dead).

        A node that answers with the slot instead of the height has failed: MalformedAnswer, after the retry window.
        """
        return await self.failover.ask(lambda node: _sane_blockhash(node, commitment), "getLatestBlockhash")

    async def block_height(self, commitment: Commitment) -> int:
        """Blocks below the newest one at `commitment`: a blockhash's life is counted in these."""
        return await self._read(parsing.whole, "getBlockHeight", _config(commitment=commitment))

    async def slot(self, commitment: Commitment) -> int:
        """The newest slot at `commitment`."""
        return await self._read(parsing.whole, "getSlot", _config(commitment=commitment))

    async def block_time(self, slot: int) -> datetime | None:
        """When the block of `slot` was made, None where there is none or the node no longer knows."""
        try:
            return await self._read(parsing.block_time, "getBlockTime", slot, about=About.ITEM)
        except NoBlock:
            return None

    async def accounts(
        self, keys: Sequence[Pubkey], *, commitment: Commitment, min_context_slot: int | None = None
    ) -> AccountsAt:
        """Any number of accounts, a hundred a call. Without keys: slot 0, no call."""
        config = _config(commitment=commitment, encoding="base64", minContextSlot=min_context_slot)
        reader = self._batches("getMultipleAccounts", config, parsing.account)
        slot, accounts = await self._accounts.read(list(map(str, keys)), reader)
        return AccountsAt(slot, accounts)

    async def statuses(self, signatures: Sequence[str], *, search_history: bool = False) -> StatusesAt:
        """The status of any number of signatures, 256 a call.

        Without `search_history` a node looks at its newest 150 blocks or so, and null means little.
        """
        config = _config(searchTransactionHistory=search_history)
        reader = self._batches("getSignatureStatuses", config, parsing.signature_status)
        slot, statuses = await self._statuses.read(signatures, reader)
        return StatusesAt(slot, statuses)

    async def send(
        self, wire: bytes, *, preflight_commitment: Commitment, min_context_slot: int | None = None
    ) -> None:
        """Hand a signed transaction to one node, once, with preflight and without its rebroadcast.

        Raises:
            PreflightFailed: simulated, failed, and not passed on by this node.
            TransactionRefused: checked by the node, and not passed on.
            Transient, Permanent: anything else, after which it may have left.
        """
        config = _config(
            encoding="base64",
            skipPreflight=False,
            preflightCommitment=preflight_commitment,
            maxRetries=0,
            minContextSlot=min_context_slot,
        )
        await self._read(parsing.signature, "sendTransaction", _base64(wire), config, retry=False)

    async def simulate(
        self,
        wire: bytes,
        *,
        commitment: Commitment,
        verify_signatures: bool = False,
        replace_blockhash: bool = False,
        min_context_slot: int | None = None,
    ) -> Simulation:
        """What the transaction would do now. A failing transaction is an answer, not an error."""
        config = _config(
            encoding="base64",
            commitment=commitment,
            sigVerify=verify_signatures,
            replaceRecentBlockhash=replace_blockhash,
            minContextSlot=min_context_slot,
        )
        return await self._read(parsing.simulation, "simulateTransaction", _base64(wire), config)

    async def minimum_balance(self, size: int) -> int:
        """Lamports that keep an account of `size` bytes rent-exempt. One that cannot be is no answer."""
        config = _config(commitment=Commitment.CONFIRMED)

        def read(result: object) -> int:
            return plausible.rent(parsing.whole(result), size)

        return await self._read(read, "getMinimumBalanceForRentExemption", size, config)

    async def signature_fee(self, message: MessageV0, commitment: Commitment) -> int:
        """Lamports that the cluster takes for this message of one signature (getFeeForMessage).

        One that cannot be is no answer. Raises `NodeBehind` where no node knows the message's blockhash.
        """
        encoded, config = _base64(to_bytes_versioned(message)), _config(commitment=commitment)

        def read(result: object) -> int:
            fee = parsing.fee(result)
            if fee is None:
                raise NodeBehind("getFeeForMessage: the node does not know the blockhash of the message")
            return plausible.fee(fee)

        return await self._read(read, "getFeeForMessage", encoded, config)

    async def recent_priority_fees(self, accounts: Sequence[Pubkey]) -> tuple[int, ...]:
        """Lowest landed priority fee of each recent slot, in micro-lamports a compute unit, oldest slot first.

        These are floors, not the market's price. At most 128 writable `accounts`.
        """
        if len(accounts) > FEE_ACCOUNTS:
            raise ValueError(f"at most {FEE_ACCOUNTS} accounts")
        return await self._read(
            parsing.priority_fees, "getRecentPrioritizationFees", list(map(str, accounts))
        )

    async def history_page(
        self,
        address: Pubkey,
        *,
        commitment: Commitment,
        before: str | None = None,
        until: str | None = None,
        limit: int = 1000,
        min_context_slot: int | None = None,
        begins_before: int | None = None,
    ) -> HistoryPage:
        """A page of an address' history, newest first. Raises UnknownCursor where a cursor was pruned.

        Endpoints keep histories of different lengths and lag by different numbers of slots, and each call may go to
        another one: with `begins_before` to one whose history begins before that slot. Raises ShortHistory where there
        is none, NodeBehind where none has reached `min_context_slot`.
        """
        method = "getSignaturesForAddress"
        config = _config(
            commitment=commitment,
            before=before,
            until=until,
            limit=limit,
            minContextSlot=min_context_slot,
        )

        async def ask(node: Node) -> HistoryPage:
            first = await _history_from(node)
            if begins_before is not None and (first is None or first >= begins_before):
                words = f"the history of {node.name} does not begin before slot {begins_before}"
                raise ShortHistory(0, words, method)
            records = await node.transport.read(parsing.signature_records, method, [str(address), config])
            return HistoryPage(records, first)

        return await self.failover.ask(ask, method, about=About.ITEM)

    async def transaction(self, signature: str, *, commitment: Commitment) -> TransactionRecord | None:
        """A landed transaction of any version, None where the node knows none at `commitment`."""

        def read(result: object) -> TransactionRecord | None:
            return None if result is None else parsing.transaction_record(signature, result)

        return await self._transaction(read, signature, commitment)

    async def listed_transaction(self, signature: str, *, commitment: Commitment) -> TransactionRecord:
        """One that some node lists, so that it is there: an endpoint that does not have it gives way to the next.

        Raises Unanswered where none has it.
        """

        def read(result: object) -> TransactionRecord:
            if result is None:
                raise Unreadable(f"{signature} is listed, but the node does not have it")
            return parsing.transaction_record(signature, result)

        return await self._transaction(read, signature, commitment)

    async def _transaction(self, reader: Callable[[Any], T], signature: str, commitment: Commitment) -> T:
        config = _config(
            commitment=commitment, encoding="json", maxSupportedTransactionVersion=HIGHEST_VERSION
        )
        return await self._read(reader, "getTransaction", signature, config, about=About.ITEM)

    async def token_accounts_by_owner(
        self, owner: Pubkey, program: Pubkey, commitment: Commitment
    ) -> tuple[tuple[Pubkey, Account], ...]:
        """All token accounts of `owner` under one token program, ATA or not."""
        config = _config(commitment=commitment, encoding="base64")
        wanted = {"programId": str(program)}
        return await self._read(
            parsing.keyed_accounts, "getTokenAccountsByOwner", str(owner), wanted, config, about=About.ITEM
        )

    async def balance(self, key: Pubkey, commitment: Commitment) -> int:
        """Lamports of an account, 0 where there is none."""
        return await self._read(parsing.balance, "getBalance", str(key), _config(commitment=commitment))

    async def is_healthy(self) -> bool:
        """Whether the node says that it keeps up with the cluster. One that does not offer to say so is believed to:
        what it says of slots shows where it is.
        """

        async def ask(node: Node) -> bool:
            try:
                return await node.transport.read(parsing.is_ok, "getHealth")
            except NodeBehind:
                return False

        try:
            return await self.failover.ask(ask, "getHealth")
        except MethodMissing:
            return True

    async def first_available_block(self) -> int:
        """The oldest slot whose block the node still has."""
        return await self._read(parsing.whole, "getFirstAvailableBlock")

    @property
    def seconds_apart(self) -> float:
        """Seconds between two calls at least, by the rate limit and the pause in the options; 0 without either."""
        return max(node.limiter.interval for node in self.failover.nodes)

    @property
    def is_mainnet(self) -> bool:
        """Whether `check_cluster` has found mainnet."""
        return any(node.genesis == GENESIS["mainnet-beta"] for node in self.failover.nodes)

    def _alone(self, node: Node) -> "Rpc":
        alone = copy.copy(self)
        alone.failover = self.failover.only(node, window_seconds=WITNESS_WINDOW_SECONDS)
        return alone

    async def _read(
        self,
        reader: Callable[[Any], T],
        method: str,
        *params: object,
        retry: bool = True,
        about: About = About.NODE,
    ) -> T:
        """What `reader` makes of the result. Where it cannot read it, the endpoint has failed."""
        return await self.failover.ask(
            lambda node: node.transport.read(reader, method, params), method, retry=retry, about=about
        )

    def _batches(
        self, method: str, config: dict[str, object], parse: Callable[[object], T]
    ) -> Reader[str, T]:
        """Calls of `method` for some items: the context slot, and what `parse` makes of each item's value."""

        async def read(items: Sequence[str]) -> Batch[T]:
            def reader(result: object) -> Batch[T]:
                # What is around the values can be no single item's fault.
                with parsing.reading(method, MalformedAnswer):
                    slot, values = parsing.context_slot(result), parsing.context_values(result, len(items))
                return slot, tuple(map(parse, values))

            about = About.LONE if len(items) == 1 else About.BATCH
            return await self._read(reader, method, list(items), config, about=about)

        return read


def _node(
    endpoint: Endpoint,
    options: RpcOptions,
    limiter: Limiter,
    clock: Callable[[], float],
    calls: Counter[str],
) -> Node:
    transport = Transport(
        endpoint.url,
        timeout=options.timeout,
        headers=endpoint.headers,
        proxy=options.proxy,
        max_connections=options.max_concurrency,
        calls=calls,
    )
    return Node(transport.name, transport, limiter, clock)


async def _sane_blockhash(node: Node, commitment: Commitment) -> RecentBlockhash:
    config = _config(commitment=commitment)
    latest = await node.transport.read(parsing.latest_blockhash, "getLatestBlockhash", [config])
    await node.limiter.wait()
    # Asked second: the distance between the two can only have shrunk.
    height = await node.transport.read(parsing.whole, "getBlockHeight", [config])
    blockhash, last_valid, slot = latest
    is_mainnet = node.genesis == GENESIS["mainnet-beta"]
    nonsense = contradiction(last_valid=last_valid, height=height, slot=slot, is_mainnet=is_mainnet)
    if nonsense is not None:
        raise MalformedAnswer(f"{node.name}: {nonsense}")
    return RecentBlockhash(blockhash, last_valid, slot, height)


async def _history_from(node: Node) -> int | None:
    """The oldest slot of an endpoint's history, asked once; None where it does not tell."""
    async with node.first_asking:
        if not node.has_told_history:
            try:
                node.history_from = await node.transport.read(parsing.whole_slot, "getFirstAvailableBlock")
            except (Forbidden, RpcRejected):
                node.history_from = None
            node.has_told_history = True
            await node.limiter.wait()
        return node.history_from


def _config(**settings: object) -> dict[str, object]:
    """A config object without the settings that are None: nodes refuse null for some."""
    return {name: value for name, value in settings.items() if value is not None}


def _base64(wire: bytes) -> str:
    return base64.b64encode(wire).decode("ascii")
