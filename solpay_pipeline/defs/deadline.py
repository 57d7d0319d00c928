"""What is left of the time that a run was given, for each of its ops.

The limit holds for the whole run: all its operations, their waits, and the delivery of their events.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import dagster as dg

ORDER: Final = ("expire", "sweep", "reclaim")
"""Of regular maintenance."""

_TELLING = 0.1
_MOST_TELLING_SECONDS = 30.0
"""Of the whole, what is kept for the delivery of events and the last word."""


@dataclass(frozen=True, slots=True)
class RunTime:
    """`started` and `now` are seconds of one clock; `limit`, in seconds, is None where there is none."""

    started: float
    limit: float | None
    now: Callable[[], float] = time.time

    def for_operation(self, name: str, ops: frozenset[str]) -> float | None:
        """Seconds that an operation has, among the ops of its job; those that come after it have as much each.

        Without that an operation with much to do would keep the others from running, in every run.
        """
        if self.limit is None:
            return None
        after = ORDER[ORDER.index(name) + 1 :] if name in ORDER else ()
        sharers = 1 + sum(one in ops for one in after)
        return max(0.0, self._left(self.limit) - self._telling(self.limit)) / sharers

    def for_delivery(self, wanted: float | None) -> float | None:
        """Seconds that the delivery of events has, `wanted` at most."""
        if self.limit is None:
            return wanted
        left = max(0.0, self._left(self.limit))
        return left if wanted is None else min(left, wanted)

    def _left(self, limit: float) -> float:
        return self.started + limit - self.now()

    @staticmethod
    def _telling(limit: float) -> float:
        return min(_TELLING * limit, _MOST_TELLING_SECONDS)


def run_time(context: dg.OpExecutionContext, limit: float | None) -> RunTime:
    """Of the run of an op: it began when Dagster says so, in whichever process."""
    record = context.instance.get_run_record_by_id(context.run_id)
    started = None if record is None else record.start_time
    return RunTime(time.time() if started is None else started, limit)


def ops_of(context: dg.OpExecutionContext) -> frozenset[str]:
    """The names of all ops of the run's job."""
    return frozenset(context.job_def.graph.node_dict)
