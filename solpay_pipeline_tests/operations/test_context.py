"""The time that one operation has."""

import pytest

from solpay_pipeline.operations.context.options import Options
from solpay_pipeline_tests.operations.ground import scene


def test_a_run_stops_when_its_time_is_over_and_says_so() -> None:
    made = scene(options=Options(max_runtime_seconds=60))
    assert not made.context.must_stop()
    made.clock.now = 60
    assert made.context.must_stop()
    assert made.tally.stopped_reason == "max_runtime"


def test_a_run_without_a_limit_never_stops_for_its_time() -> None:
    made = scene()
    made.clock.now = 1e9
    assert not made.context.must_stop()
    assert made.tally.stopped_reason == "done"


@pytest.mark.parametrize(("now", "patience"), [(0, 30.0), (50, 10.0), (59.9, 1.0), (100, 1.0)])
def test_a_broadcast_gets_what_is_left_of_the_time_and_never_less_than_a_second(
    now: float, patience: float
) -> None:
    made = scene(options=Options(max_runtime_seconds=60))
    made.clock.now = now
    assert made.context.patience() == patience
