"""What runs by the clock. All of it ships stopped; the operator turns it on in the UI, or by a setting."""

import os
from datetime import timedelta

import dagster as dg
from dagster._utils.schedules import reverse_cron_string_iterator

from solpay_pipeline.assets import reports_job
from solpay_pipeline.jobs import maintenance_job
from solpay_pipeline.overlap import named, runs_under_way
from solpay_pipeline.timetable import read_timetable

_TIMETABLE = read_timetable(os.environ)
_STATUS = dg.DefaultScheduleStatus.RUNNING if _TIMETABLE.is_running else dg.DefaultScheduleStatus.STOPPED

_EXCLUSIVE = {"solpay/exclusive": "maintenance"}
_DAY = timedelta(days=1)


@dg.schedule(
    job=maintenance_job,
    cron_schedule=_TIMETABLE.cron,
    execution_timezone=_TIMETABLE.timezone,
    default_status=_STATUS,
    description="Regular maintenance: expire, sweep, reclaim. Skips while a job that moves money is queued or running.",
)
def maintenance_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run at a time; a tick that finds one under way is dropped, since the next comes soon."""
    busy = runs_under_way(context.instance, _EXCLUSIVE)
    if busy:
        return dg.SkipReason(f"still under way: {named(busy)}")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    job=reports_job,
    cron_schedule=_TIMETABLE.reports,
    execution_timezone="UTC",
    default_status=_STATUS,
    description="Makes today's reports anew, every hour unless told otherwise, and at a day's first tick those of the "
    "day before.",
)
def reports_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Days are UTC days; the last of the day before is told once it is over."""
    at = context.scheduled_execution_time
    # The first of these is the tick itself.
    ticks = reverse_cron_string_iterator(at.timestamp(), _TIMETABLE.reports, "UTC")
    before = next(tick for tick in ticks if tick < at)
    days = [f"{at:%Y-%m-%d}"]
    if before.date() < at.date():
        days.insert(0, f"{at - _DAY:%Y-%m-%d}")
    return [dg.RunRequest(run_key=f"{day} {at.isoformat()}", partition_key=day) for day in days]
