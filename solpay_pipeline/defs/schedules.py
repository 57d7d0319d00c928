"""What runs by the clock. All of it ships stopped; the operator turns it on in the UI, or by a setting."""

from datetime import datetime, timedelta

import dagster as dg

from solpay_pipeline.defs.assets import reports_job, settlements
from solpay_pipeline.defs.concurrency import MAINTENANCE, named, runs_under_way
from solpay_pipeline.wiring.environment import timetable

_TIMETABLE = timetable()
_STATUS = dg.DefaultScheduleStatus.RUNNING if _TIMETABLE.is_running else dg.DefaultScheduleStatus.STOPPED

_DAY = timedelta(days=1)

# A daemon that was away longer has its days made by hand, as a backfill.
_DAYS_LOOKED_BACK = 7


@dg.schedule(
    job_name="maintenance_job",
    cron_schedule=_TIMETABLE.cron,
    execution_timezone=_TIMETABLE.timezone,
    default_status=_STATUS,
    description="Regular maintenance: expire, sweep, reclaim. Skips while a job that moves money is queued or running.",
)
def maintenance_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run at a time; a tick that finds one under way is dropped, since the next comes soon."""
    busy = runs_under_way(context.instance, MAINTENANCE)
    if busy:
        return dg.SkipReason(f"still under way: {named(busy)}")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    job=reports_job,
    cron_schedule=_TIMETABLE.reports,
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Makes today's reports anew, every hour unless told otherwise, and those of a day that is over once "
    "more.",
)
def reports_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Days are UTC days. A day that is over is made once more after its end, whenever the daemon is there again."""
    at = context.scheduled_execution_time
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    over = [midnight - number * _DAY for number in range(_DAYS_LOOKED_BACK, 0, -1)]
    begun = [day for day in over if _made_since(context.instance, day, day) or day == over[-1]]
    unfinished = [day for day in begun if not _made_since(context.instance, day, day + _DAY)]
    return [
        dg.RunRequest(run_key=f"{day:%Y-%m-%d} {at.isoformat()}", partition_key=f"{day:%Y-%m-%d}")
        for day in (*unfinished, midnight)
    ]


def _made_since(instance: dg.DagsterInstance, day: datetime, since: datetime) -> bool:
    """Whether the reports of a day, which are made together, were made at `since` or later."""
    wanted = dg.AssetRecordsFilter(
        asset_key=settlements.key, asset_partitions=[f"{day:%Y-%m-%d}"], after_timestamp=since.timestamp()
    )
    return bool(instance.fetch_materializations(wanted, limit=1).records)
