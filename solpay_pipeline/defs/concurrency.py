"""Which runs are under way, as the instance knows them: what schedules and sensors look at before they ask for more."""

import dagster as dg

UNDER_WAY = [
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
