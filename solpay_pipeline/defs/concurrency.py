"""Which jobs keep others waiting, and which runs are under way.

Schedules and sensors look here before they ask for more.
The instance's tag limits (`dagster.yaml`) hold back a run that carries `EXCLUSIVE` beside another of its kind.
"""

from typing import Final

import dagster as dg

EXCLUSIVE: Final = "solpay/exclusive"
"""The tag of jobs that do not run beside another of their kind."""

MAINTENANCE: Final = {EXCLUSIVE: "maintenance"}
RECHECK: Final = {EXCLUSIVE: "recheck"}

UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    # Its last transaction may still be on its way.
    dg.DagsterRunStatus.CANCELING,
]


def runs_under_way(instance: dg.DagsterInstance, tags: dict[str, str]) -> list[dg.DagsterRun]:
    """Runs with these tags that are queued, running, or being cancelled; the newest first."""
    return list(instance.get_runs(dg.RunsFilter(tags=tags, statuses=UNDER_WAY)))


def named(runs: list[dg.DagsterRun]) -> str:
    """The runs for a skip's reason."""
    shown = ", ".join(f"{run.job_name} {run.run_id[:8]} ({run.status.value})" for run in runs[:3])
    return shown if len(runs) <= 3 else f"{shown} and {len(runs) - 3} more"
