"""Standard streams as a shell, a supervisor or a web process may leave them: closed, or replaced by something else."""

import os
import sys
from typing import TextIO


def open_closed_streams() -> None:
    """Give the process the three streams that it was started without (`2>&-`).

    Otherwise the next file to be opened becomes stderr, the database for one, and whatever is printed goes into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person watches; what stands in for a stream need not know of terminals."""
    watches = getattr(stream, "isatty", None)
    return callable(watches) and bool(watches())


def say(line: str) -> None:
    """A line on stderr. Where nobody can hear it, the work goes on: what counts is in the result and the run's log."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
