"""Histories from seeds: a few at every change, two hundred where there is time."""

import subprocess
import sys
from pathlib import Path

import pytest

from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.drawing import steps_of
from solpay_pipeline_tests.proofs.simulation.history import tell
from solpay_pipeline_tests.proofs.simulation.shrink import as_text, from_text, shortest

COMMAND = [sys.executable, "-m", "solpay_pipeline_tests.proofs.simulation"]
ROOT = Path(__file__).parents[3]


def _simulate(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )


def test_a_short_history_keeps_every_promise() -> None:
    database = Database()
    told = tell(0, 10, database)
    database.close()
    assert told.broken is None, "\n".join([*told.sentences, str(told.broken)])


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_two_hundred_histories_keep_every_promise() -> None:
    ended = _simulate("--seeds", "200", seconds=1_400)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.slow
def test_a_history_is_the_same_each_time() -> None:
    first, second = (
        _simulate("--first", "7", "--keep", "0-39", seconds=200).stdout.splitlines() for _ in range(2)
    )
    assert first == second


def test_a_longer_history_begins_with_the_shorter_one() -> None:
    assert steps_of(3, 60)[:40] == steps_of(3, 40)


def test_what_does_not_matter_is_left_out_of_a_failing_history() -> None:
    def fails(places: list[int]) -> bool:
        return {3, 17, 18}.issubset(places)

    assert shortest(list(range(40)), fails) == [3, 17, 18]
    assert from_text(as_text([0, 1, 2, 7])) == [0, 1, 2, 7]
    assert as_text([3, 17, 18]) == "3,17-18"
