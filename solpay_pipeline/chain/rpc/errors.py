"""What can go wrong between us and an RPC node: a tree of errors that says what an answer is about.

A `Transient` is about the node and proves nothing, whatever it carries. A `Permanent` is about an endpoint, our
question or the chain, and will be the same next time. `Unanswered` is about one item. Texts name an endpoint by its
host only: the key that providers put into the path or the query never gets here.
"""

from solpay_pipeline.base.errors import NeedsOperator, Passing, SolpayError


class ChainError(SolpayError):
    """Base of what can go wrong with the chain."""


class Transient(ChainError, Passing):
    """Asking again, later or elsewhere, may help. `retry_after`: the seconds the node asked us to wait, if it did."""


class RateLimited(Transient):
    """The provider refused because we ask too much.

    The same refusal comes as HTTP 429, as a body with code 429, -32429 (Helius) or -32029 (TheRPC) under HTTP
    200, and as -32005 where P2P and nodius reuse the code of an unhealthy node. The peer took one on a
    balance read for an empty wallet and wrote it off (P3 in docs/peer.md#defects).
    """


class NodeBehind(Transient):
    """The node answers, but of an older chain than we asked for (-32004, -32005, -32014, -32016).

    solders panics on a -32005 without `data`, which kills a worker that catches `Exception`
    (docs/solana.md#what-solana-py-and-solders-do).
    """


class Unreachable(Transient):
    """No answer to judge: connection refused or reset, timeout, HTTP 5xx, a proxy's HTML page.

    For a transaction this is the dangerous one: it may have landed although the call failed
    (S7 in docs/peer.md#what-its-commands-were-seen-to-do).
    """


class MalformedAnswer(Transient):
    """An answer that cannot be used: truncated JSON, another request's id, wrong types, impossible numbers.

    Some providers answered getBlockHeight with the slot, 22 million higher: everything looked expired and was
    paid twice (EdgeApp/edge-currency-accountbased#1107).
    """


class Unreadable(MalformedAnswer):
    """The answer to our own question, in which something is not of the documented shape, or not there at all.

    Where one item was asked about, the cause may be that item rather than the node.
    """


class Refused(Transient):
    """The node refuses by a code that nobody is known to use for the chain's own word, an internal error for instance.

    It is taken for the node's trouble; where one item was asked about, the cause may be that item. `code` is
    JSON-RPC's, or else the HTTP status.
    """

    def __init__(self, message: str, *, code: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.code = code


class Unanswered(Transient):
    """No endpoint answers about one item, a transaction or an address, while they answer about others.

    It says nothing about any other item. A later run may find an endpoint that knows.
    """


class Permanent(ChainError, NeedsOperator):
    """Asking again will not help; an operator has to change something."""


class WrongCluster(Permanent):
    """The endpoint serves another chain than the settings name: real money under test rules, or the reverse."""

    def __init__(self, expected: str, found: str, endpoint: str) -> None:
        super().__init__(expected, found, endpoint)
        self.expected = expected
        self.found = found
        self.endpoint = endpoint

    def __str__(self) -> str:
        return f"{self.endpoint} serves the cluster {self.found}, not {self.expected}"


class Forbidden(Permanent):
    """HTTP 401, 402 or 403: wrong key, a plan used up or without the method, or our address blocked."""


class RpcRejected(Permanent):
    """The node refuses our question as it is: too large, or with a parameter that it does not take.

    `code` is JSON-RPC's, or else the HTTP status.
    """

    def __init__(self, code: int, message: str, method: str) -> None:
        super().__init__(code, message, method)
        self.code = code
        self.message = message
        self.method = method

    def __str__(self) -> str:
        return f"{self.method}: {self.message} (code {self.code})"


class UnsupportedVersion(RpcRejected):
    """-32015: the transaction's version is above the highest we said we can read.

    Customers may pay by version 1 transactions since 15 September 2026; the peer,
    which asks with 0, never sees that payment (P8 in docs/peer.md#defects).
    """


class UnknownCursor(RpcRejected):
    """-32020: the node has pruned the signature given as `before` or `until`. Agave before 4.0 gave an empty page."""


class NoBlock(RpcRejected):
    """-32001, -32007, -32009 with Agave's own words: the slot was skipped, or its block is gone."""


class ShortHistory(RpcRejected):
    """The endpoint's history does not begin before the slot that was asked for, or it does not tell where it begins."""


class MethodMissing(RpcRejected):
    """-32601, HTTP 404, 405 or 410: the provider does not offer the method (Triton turns some off by 410)."""


class TransactionRefused(RpcRejected):
    """-32003, -32006, -32013: the node's own check found that the bytes are no valid transaction for any node."""


class PreflightFailed(Permanent):
    """-32002: the node simulated the transaction, it failed, and so the node did not pass it on.

    `err` is the TransactionError as JSON text, `raw_err` the same decoded, `logs` the programs' log lines,
    `units` the compute units used. BlockhashNotFound may only mean that this node is behind; AlreadyProcessed
    means that an earlier send of the same bytes landed.
    """

    def __init__(self, err: str, raw_err: object, logs: tuple[str, ...], units: int | None) -> None:
        super().__init__(err, raw_err, logs, units)
        self.err = err
        self.raw_err = raw_err
        self.logs = logs
        self.units = units

    def __str__(self) -> str:
        return f"preflight failed: {self.err}"
