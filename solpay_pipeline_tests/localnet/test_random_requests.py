"""Whatever is asked, the node answers, quickly, with a result or with an error that is documented."""

import json
import random
import time
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.rpc.methods import METHODS as SERVED
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline_tests.localnet.ground import Caller
from solpay_pipeline_tests.localnet.schema import DOCUMENTED_CODES, METHODS, Ground, Requests

SLOWEST_SECONDS = 5.0
"""Far above what any request takes: the machine may be busy."""


def new_chain() -> Chain:
    return Chain(ChainConfig(clock="manual", history_slots=2_000))


@cache
def lasting() -> tuple[Node, Requests]:
    chain = new_chain()
    return Node(chain, Faults()), Requests(chain, Ground.laid(chain))


def check(body: Any, answer: Any) -> None:
    """An answer for each call, of the documented shape."""
    if isinstance(body, list) and body:
        assert len(answer) == len(body), (body, answer)
        for member, answered in zip(body, answer, strict=True):
            check(member, answered)
        return
    assert answer["jsonrpc"] == "2.0", (body, answer)
    assert ("result" in answer) != ("error" in answer), (body, answer)
    if "error" in answer:
        assert answer["error"]["code"] in DOCUMENTED_CODES, (body, answer)
        assert answer["error"]["message"], (body, answer)


def ask(node: Node, body: Any) -> None:
    raw = json.dumps(body).encode()
    began = time.monotonic()
    try:
        answer = node.answer(raw, [])
    except Exception as error:
        raise AssertionError(f"no answer to {raw!r}") from error
    assert time.monotonic() - began < SLOWEST_SECONDS, body
    check(body, json.loads(answer))


def test_the_schema_knows_every_method_that_is_served() -> None:
    assert set(METHODS) == set(SERVED)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(die=st.randoms(use_true_random=False))
def test_any_request_is_answered(die: random.Random) -> None:
    node, requests = lasting()
    ask(node, requests.body(die))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 2**32))
def test_a_hundred_thousand_random_requests_are_answered(number: int) -> None:
    chain = new_chain()
    node, requests, die = Node(chain, Faults()), Requests(chain, Ground.laid(chain)), random.Random(number)
    for _ in range(1_000):
        ask(node, requests.body(die))
        if die.random() < 0.02:
            chain.advance(die.choice([1, 30, 200]))


def test_over_http_they_are_answered_too() -> None:
    chain = new_chain()
    requests, die = Requests(chain, Ground.laid(chain)), random.Random(1)
    with running(chain) as node:
        rpc = Caller(node.url)
        for _ in range(1_000):
            body = requests.body(die)
            response = rpc.post(body)
            assert response.status_code == 200, body
            check(body, response.json())
        rpc.http.close()
