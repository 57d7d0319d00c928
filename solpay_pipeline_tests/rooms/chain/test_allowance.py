"""What an endpoint lets through is learned from its first refusal, and doubted at the next."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solpay_pipeline.chain.rpc.allowance import FEWEST, Allowance
from solpay_pipeline.chain.rpc.client import Rpc, RpcOptions
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import FakeTime, Reply, ScriptedNode, result, verbatim


class Windows:
    """An endpoint that lets `limit` calls through in windows that begin with the first call after the last one's end."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.begun, self.counted, self.refusals = float("-inf"), 0, list[float]()

    def call(self, now: float) -> float | None:
        """Until when the caller is to wait, None where the call passes."""
        if now >= self.begun + self.seconds:
            self.begun, self.counted = now, 0
        self.counted += 1
        if self.counted <= self.limit:
            return None
        self.refusals.append(now)
        return self.begun + self.seconds


def ask_often(windows: Windows, *, calls: int, in_flight: int, pause: float) -> Iterator[float]:
    """Make calls as a client does that reads answers only when `in_flight` are on their way; yields the rests it took."""
    allowance, now, made = Allowance(), 0.0, 0
    while made < calls:
        refused: list[float] = []
        rest: float | None = None
        for _ in range(in_flight):
            rest = allowance.take(now)
            if rest is not None:
                break
            until = windows.call(now)
            refused += [] if until is None else [until]
            made += until is None
            now += pause
        for until in refused:
            allowance.refused(until)
        rests = [*refused, *([] if rest is None else [rest])]
        if rests:
            now = max(now, *rests)
            yield now


@given(
    limit=st.integers(FEWEST, 300),
    seconds=st.integers(5, 30).map(float),
    in_flight=st.integers(1, 16),
    pause=st.sampled_from((0.0, 0.001, 0.01)),
)
def test_after_the_first_refusal_no_window_is_overrun(
    limit: int, seconds: float, in_flight: int, pause: float
) -> None:
    windows = Windows(limit, seconds)
    rests = list(ask_often(windows, calls=5 * limit, in_flight=in_flight, pause=pause))
    assert 1 <= len(windows.refusals) <= in_flight, "only those that were on their way already"
    assert windows.refusals[-1] < seconds, "all of them in the first window"
    assert rests[3] == pytest.approx(4 * seconds, abs=1.0), "and no window is left unused"


def test_a_refusal_before_the_allowance_is_used_up_makes_it_doubtful() -> None:
    allowance = Allowance()
    for _ in range(FEWEST + 1):
        assert allowance.take(0.0) is None
    allowance.refused(10.0)
    assert [allowance.take(10.0) for _ in range(FEWEST + 1)] == [None] * FEWEST + [20.0]
    assert allowance.take(20.0) is None
    allowance.refused(21.0)
    assert [allowance.take(21.0) for _ in range(3 * FEWEST)] == [None] * 3 * FEWEST


def test_a_refusal_of_the_first_few_calls_teaches_nothing() -> None:
    allowance = Allowance()
    for _ in range(FEWEST):
        allowance.take(0.0)
    allowance.refused(10.0)
    assert [allowance.take(10.0) for _ in range(3 * FEWEST)] == [None] * 3 * FEWEST


@pytest.mark.anyio
async def test_a_client_is_refused_in_one_window_only() -> None:
    time, windows = FakeTime(), Windows(limit=40, seconds=10.0)

    def slot(request: dict[str, object]) -> Reply:
        until = windows.call(time.now)
        if until is None:
            return result(7)(request)
        return verbatim("", status=429, headers={"Retry-After": str(until - time.now)})(request)

    options = RpcOptions(max_concurrency=1)
    async with (
        ScriptedNode(getSlot=slot) as node,
        Rpc([node.endpoint()], options, clock=time.clock, sleep=time.sleep) as rpc,
    ):
        for _ in range(130):
            assert await rpc.slot(Commitment.FINALIZED) == 7
    assert rpc.calls["getSlot"] == 131
    assert windows.refusals == [1_000.0]
