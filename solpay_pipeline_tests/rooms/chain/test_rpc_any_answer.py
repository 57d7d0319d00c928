"""Whatever comes back over HTTP: a right value, or an error of ours within the time limit, final only if the chain said so."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import (
    ChainError,
    Forbidden,
    MethodMissing,
    Permanent,
    PreflightFailed,
    TransactionRefused,
    Transient,
)
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import FakeTime, Reply, ScriptedNode

AT = Commitment.CONFIRMED
KEY = Pubkey.default()
WINDOW = 30.0

CALLS: dict[str, Any] = {
    "getSlot": lambda rpc: rpc.slot(AT),
    "getBlockTime": lambda rpc: rpc.block_time(7),
    "getMultipleAccounts": lambda rpc: rpc.accounts([KEY] * 3, commitment=AT),
    "getSignatureStatuses": lambda rpc: rpc.statuses(["a", "b"]),
    "getSignaturesForAddress": lambda rpc: rpc.history_page(KEY, commitment=AT),
    "getTransaction": lambda rpc: rpc.transaction("a", commitment=AT),
    "getTokenAccountsByOwner": lambda rpc: rpc.token_accounts_by_owner(KEY, KEY, AT),
    "getRecentPrioritizationFees": lambda rpc: rpc.recent_priority_fees([]),
    "getHealth": lambda rpc: rpc.is_healthy(),
    "sendTransaction": lambda rpc: rpc.send(b"wire", preflight_commitment=AT),
}
BATCHED = ("getMultipleAccounts", "getSignatureStatuses")
ABOUT_THE_NODE = {408, 425, 429, *range(500, 600)}
SAID = {-32600, -32602, -32601, -32015, -32020}
"""Codes by which a node says that a question is wrong, or that it has no such method."""

statuses = st.sampled_from(
    [200] * 4 + [201, 302, 400, 401, 403, 404, 405, 408, 410, 413, 418, 425, 429, 500, 503, 504, 520]
)
codes = st.one_of(
    st.sampled_from(
        [*SAID, -32001, -32002, -32003, -32004, -32005, -32006, -32007, -32009, -32010, -32011, -32013]
    ),
    st.sampled_from(
        [-32014, -32016, -32019, -32603, -32700, -32429, 429, 0, None, "x", "-32602", 1.5, [], True]
    ),
    st.integers(),
)
words = st.one_of(
    st.sampled_from(
        [
            "rate limit",
            "Too many requests",
            "try again",
            "out of credits",
            "Slot 7 was skipped",
            "busy\x1b[2J",
        ]
    ),
    st.text(max_size=30),
    st.none(),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["value", "context", "slot", "err", "data", "logs", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=8,
)
simulations = st.fixed_dictionaries({"err": json_values, "logs": json_values})
ids = st.sampled_from(["ours", "ours", "ours", None, 99, "1"])
errors = st.fixed_dictionaries(
    {"code": codes, "message": words}, optional={"data": st.one_of(json_values, simulations)}
)
bodies = st.one_of(
    st.tuples(ids, st.just("error"), st.one_of(errors, json_values)),
    st.tuples(ids, st.just("result"), json_values),
    st.text(max_size=40),
)
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "Content-Encoding", "Transfer-Encoding", "X-Odd"]),
    st.sampled_from(
        ["1", "5", "3600", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "gzip", "deflate", "9" * 30, "\x01"]
    ),
    max_size=2,
)
answers = st.lists(st.tuples(statuses, headers, bodies), min_size=1, max_size=3)


def body_of(body: Any, number: int) -> str:
    if isinstance(body, str):
        return body
    name, member, value = body
    return json.dumps({"jsonrpc": "2.0", "id": number if name == "ours" else name, member: value})


def may_be_final(error: ChainError, told: list[Any]) -> bool:
    """Whether some answer said, under a status that is not about the node, what the error says."""
    if isinstance(error, Forbidden):
        return any(status in (401, 402, 403) for status, _, _ in told)
    for status, _, body in told:
        if status in ABOUT_THE_NODE:
            continue
        if isinstance(error, MethodMissing) and status in (404, 405, 410):
            return True
        said = body[2] if isinstance(body, tuple) and body[1] == "error" else None
        code = str(said.get("code")) if isinstance(said, dict) else ""
        if isinstance(error, PreflightFailed):
            matches = code == "-32002" and body[0] == "ours"
        elif isinstance(error, TransactionRefused):
            matches = code in ("-32003", "-32006", "-32013") and body[0] == "ours"
        else:
            matches = code in map(str, SAID) or status == 413
        if matches:
            return True
    return False


async def ask(method: str, told: list[Any], endpoints: int) -> tuple[object, float]:
    time = FakeTime()
    turn = iter(range(10**6))

    def answered(request: dict[str, Any]) -> Reply:
        status, fields, body = told[next(turn) % len(told)]
        return Reply(body_of(body, request["id"]), status, dict(fields))

    def sound(request: dict[str, Any]) -> Reply:
        return Reply(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": 0}))

    script = {method: answered} | (
        {} if method == "getFirstAvailableBlock" else {"getFirstAvailableBlock": sound}
    )
    async with (
        ScriptedNode(**script) as first,
        ScriptedNode(**script) as second,
        Rpc(
            [first.endpoint(), second.endpoint()][:endpoints],
            RpcOptions(retry_window_seconds=WINDOW, timeout=5.0),
            clock=time.clock,
            sleep=time.sleep,
        ) as rpc,
    ):
        try:
            return await CALLS[method](rpc), time.now - 1_000
        except ChainError as error:
            return error, time.now - 1_000


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@example("sendTransaction", [(504, {}, ("ours", "error", {"code": -32602, "message": "no"}))], 1)
@example("getSlot", [(503, {}, ("ours", "error", {"code": -32001, "message": "no"}))], 2)
@example("getTransaction", [(200, {}, ("ours", "error", {"code": -32603, "message": "no"}))], 2)
@given(st.sampled_from(sorted(CALLS)), answers, st.sampled_from([1, 2]))
def test_no_answer_is_final_unless_the_chain_said_so_nor_foreign_nor_late(
    method: str, told: list[Any], endpoints: int
) -> None:
    found, took = asyncio.run(ask(method, told, endpoints))
    # A batch may be cut into its three items, which takes five calls, each with its own window.
    assert took <= WINDOW * (5 if method in BATCHED else 1)
    if isinstance(found, ChainError):
        assert isinstance(found, Transient | Permanent)
        assert str(found).isprintable()
    if isinstance(found, Permanent):
        assert may_be_final(found, told), repr(found)


@pytest.mark.parametrize("content", ["gzip", "deflate"])
def test_a_body_that_cannot_be_unpacked_is_the_nodes_trouble(content: str) -> None:
    found, _ = asyncio.run(ask("getSlot", [(200, {"Content-Encoding": content}, "no such thing")], 1))
    assert isinstance(found, Transient)
