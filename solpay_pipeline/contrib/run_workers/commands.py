"""Commands that an operator has written for run workers, filled in with the id of a run."""

import subprocess
import uuid
from collections.abc import Sequence
from typing import Final

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.base.text import harmless

PLACE: Final = "{run_id}"

_SECONDS: Final = 30.0
_MOST_SHOWN: Final = 300


class BadRunId(NeedsOperator):
    """Who can write Dagster's records can choose a run's id; one that is no UUID gets near no command."""


class CommandRefused(NeedsOperator):
    """A command ended with another code than 0, or not in time."""


def checked_id(run_id: str) -> str:
    """The id, which is a UUID as Dagster writes them. Raises `BadRunId`."""
    try:
        is_one = str(uuid.UUID(run_id)) == run_id
    except ValueError:
        is_one = False
    if not is_one:
        raise BadRunId("the run's id is no UUID; nothing was started")
    return run_id


def is_done(command: Sequence[str], run_id: str) -> bool:
    """Whether the command ends with 0. Raises `BadRunId`, and `CommandRefused` where it does not end in time."""
    return _ended(command, run_id).returncode == 0


def do(command: Sequence[str], run_id: str) -> None:
    """Have the command done. Raises `BadRunId`, `CommandRefused`."""
    ended = _ended(command, run_id)
    if ended.returncode:
        said = harmless(" ".join(ended.stderr.split()))[:_MOST_SHOWN]
        raise CommandRefused(f"{command[0]} ended with {ended.returncode}: {said}")


def _ended(command: Sequence[str], run_id: str) -> "subprocess.CompletedProcess[str]":
    known = checked_id(run_id)
    filled = [part.replace(PLACE, known) for part in command]
    try:
        return subprocess.run(  # noqa: S603 - the operator's own words in dagster.yaml, and a UUID
            filled, check=False, capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CommandRefused(f"{command[0]} did not end within {_SECONDS:g} s") from None
    except OSError as error:
        raise CommandRefused(f"{command[0]} cannot be run: {error.strerror}") from None
