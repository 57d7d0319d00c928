"""Histories from seeds: a few at every change, two hundred where there is time."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline_tests.proofs.simulation.database import Database
from solpay_pipeline_tests.proofs.simulation.drawing import steps_of
from solpay_pipeline_tests.proofs.simulation.history import tell
from solpay_pipeline_tests.proofs.simulation.rude.deeds import BY_NAME, DEEDS
from solpay_pipeline_tests.proofs.simulation.rude.kinds import ALL_ON, NONE_ON, Kind
from solpay_pipeline_tests.proofs.simulation.shrink import as_text, from_text, shortest
from solpay_pipeline_tests.proofs.simulation.steps import Meanwhile, Rude

COMMAND = [sys.executable, "-m", "solpay_pipeline_tests.proofs.simulation"]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    opened = Database()
    yield opened
    opened.close()


def _simulate(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )


def test_a_short_history_keeps_every_promise(database: Database) -> None:
    told = tell(0, 10, database)
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


@pytest.mark.parametrize("kind", list(Kind))
def test_a_kind_of_rudeness_can_be_switched_on_alone(kind: Kind) -> None:
    steps = steps_of(3, 60, frozenset({kind}))
    rude = [step for step in steps if isinstance(step, Rude)]
    assert rude
    assert {BY_NAME[step.deed] for step in rude} <= set(DEEDS[kind])
    others = [step for step in steps if not isinstance(step, (Rude, Meanwhile))]
    polite = [step for step in steps_of(3, 60, NONE_ON) if not isinstance(step, Meanwhile)]
    assert others == polite[: len(others)]


@pytest.mark.parametrize("kind", sorted(ALL_ON))
def test_a_short_history_with_one_kind_of_rudeness_keeps_every_promise(
    database: Database, kind: Kind
) -> None:
    told = tell(1, 16, database, kinds=frozenset({kind}))
    assert told.broken is None, "\n".join([*told.sentences, str(told.broken)])


def test_what_does_not_matter_is_left_out_of_a_failing_history() -> None:
    def fails(places: list[int]) -> bool:
        return {3, 17, 18}.issubset(places)

    assert shortest(list(range(40)), fails) == [3, 17, 18]
    assert from_text(as_text([0, 1, 2, 7])) == [0, 1, 2, 7]
    assert as_text([3, 17, 18]) == "3,17-18"
