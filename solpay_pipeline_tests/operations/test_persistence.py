"""Trouble is waited out within the time that there is, told meanwhile, and its cause is the last word."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from solpay_pipeline.base.errors import Blocked, Passing
from solpay_pipeline.base.waiting import tell_wait, told_to
from solpay_pipeline.chain.rpc.errors import RateLimited, Unreachable
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.persistence import Endurance, Outlasted, TryAgain, carry_out, insist
from solpay_pipeline.operations.run import OperationRun
from solpay_pipeline_tests.proofs.simulation.clock import VirtualLoop

LIMITED = RateLimited("https://node.example: HTTP 429 to getSlot", retry_after=60)
GONE = Unreachable("https://node.example did not answer getSlot in 10 s")


class Run:
    """An operation that meets these troubles, one a try, and then ends; or hangs."""

    operation = "sweep"

    def __init__(self, *troubles: Exception, begun: bool = True, hangs: bool = False) -> None:
        self.troubles = list(troubles)
        self.has_begun = begun
        self.hangs = hangs
        self.options = Options()
        self.tries = 0

    async def attempt(self) -> str:
        self.tries += 1
        if self.hangs:
            tell_wait(60, "https://node.example: HTTP 429")
            await asyncio.sleep(10**6)
        if self.troubles:
            raise self.troubles.pop(0)
        return "done"

    def out_of_time(self, waiting: str = "") -> str:
        return f"out of time {waiting}".strip()

    def failed(self, failure: str) -> str:
        return failure


def carried(run: Run, endurance: Endurance) -> tuple[str, float, list[str]]:
    """How it ended, after how many seconds, and what was told."""
    heard: list[str] = []
    loop = VirtualLoop()
    with told_to(heard.append), asyncio.Runner(loop_factory=lambda: loop) as runner:
        ended: Any = runner.run(_retried(cast(OperationRun, run), endurance))
    return ended, loop.now, heard


async def _retried(run: OperationRun, endurance: Endurance) -> Any:
    """As Dagster does it: at once, with the number of tries."""
    while True:
        try:
            return await carry_out(run, endurance)
        except TryAgain:
            endurance = replace(endurance, tries=endurance.tries + 1)


def test_trouble_that_passes_is_tried_again_after_growing_waits_that_are_told() -> None:
    run = Run(GONE, GONE, GONE)
    ended, seconds, heard = carried(run, Endurance())
    assert (ended, run.tries) == ("done", 4)
    assert 0.75 * 35 <= seconds <= 1.25 * 35
    assert len(heard) == 3
    assert all(line.startswith("waiting ") and "https://node.example" in line for line in heard)


def test_trouble_that_does_not_pass_ends_with_its_cause_and_not_with_the_number_of_tries() -> None:
    run = Run(*[GONE] * 9)
    ended, seconds, _ = carried(run, Endurance())
    assert ended.startswith("Unreachable: https://node.example did not answer")
    assert "after 5 tries" in ended
    assert seconds <= 1.25 * 75


@pytest.mark.parametrize(("asked", "tries"), [(119.0, 2), (121.0, 1), (3600.0, 1)])
def test_a_wait_that_is_asked_for_is_obeyed_up_to_the_setting_and_is_trouble_beyond_it(
    asked: float, tries: int
) -> None:
    run = Run(RateLimited("https://node.example: HTTP 429", retry_after=asked))
    ended, seconds, _ = carried(run, Endurance(longest_wait=120))
    assert run.tries == tries
    if tries == 1:
        assert seconds == 0
        assert ended.startswith("RateLimited: https://node.example: HTTP 429")
        assert f"{asked:.0f} s" in ended
    else:
        assert seconds == pytest.approx(asked)


def test_a_wait_that_does_not_fit_into_the_time_is_not_begun() -> None:
    ended, seconds, heard = carried(Run(LIMITED), Endurance(seconds=10))
    assert (seconds, heard) == (0, [])
    assert ended.startswith("RateLimited: https://node.example: HTTP 429 to getSlot (the 10 s")


def test_whatever_an_operation_waits_for_it_ends_with_its_time() -> None:
    ended, seconds, _ = carried(Run(hangs=True), Endurance(seconds=10))
    assert (ended, seconds) == (
        "out of time waiting 60 s: https://node.example: HTTP 429",
        pytest.approx(10),
    )


def test_without_any_time_left_nothing_is_begun() -> None:
    run = Run()
    assert carried(run, Endurance(seconds=0))[0] == "out of time"
    assert run.tries == 0


@pytest.mark.parametrize("trouble", [Blocked("the receiver is a mint"), LIMITED])
def test_what_keeps_an_operation_from_beginning_is_raised(trouble: Exception) -> None:
    with pytest.raises((Blocked, Outlasted)):
        carried(Run(trouble, begun=False), Endurance(waits=(), longest_wait=1))


def test_work_without_a_loop_is_insisted_on_alike() -> None:
    answers: list[Callable[[], str]] = [_raises(Passing("the database is away")), lambda: "done"]

    def answering() -> str:
        return answers.pop(0)()

    assert insist(answering, Endurance(waits=(0.01,))) == "done"
    with pytest.raises(Outlasted, match="Passing: the database is away"):
        insist(_raises(Passing("the database is away")), Endurance(waits=(0.01, 0.01)))


def _raises(trouble: Exception) -> Callable[[], str]:
    def fail() -> str:
        raise trouble

    return fail


def test_an_operation_stops_beginning_things_before_its_time_is_up() -> None:
    run = Run()
    carried(run, Endurance(seconds=100))
    assert run.options.max_runtime_seconds == pytest.approx(90)
