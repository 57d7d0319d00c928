"""What starts runs by itself when there is something to do. All of it ships stopped; the operator turns it on."""

import asyncio
import os
import time
from datetime import UTC, datetime

import dagster as dg

from solpay_pipeline.base.database import DatabaseProblem, open_engine, reading
from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.defs import recheck_requests
from solpay_pipeline.defs.failures import permanent
from solpay_pipeline.defs.jobs import deliver_events_job, recheck_job
from solpay_pipeline.defs.recheck_cursor import Cursor
from solpay_pipeline.defs.resources import (
    DatabaseResource,
    SolanaRpcResource,
    WalletVaultResource,
    deployment_of,
    settings_of,
)
from solpay_pipeline.ledger import deliveries, outbox
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.operations.balance_scan import ScanResult, scan_balances
from solpay_pipeline.settings.model import BadSetting, Settings, read_timetable
from solpay_pipeline.wiring.sinks import sink_names

_SECONDS = 30

# Dagster ends a tick after 60; what is left is for the instance's own look-ups and a slow start.
_LOOK_SECONDS = 40.0

# The next tick asks again; this one should tell what the trouble is before its time is up.
_RETRY_SECONDS = 10.0

TIMETABLE = read_timetable(os.environ)
_STATUS = dg.DefaultSensorStatus.RUNNING if TIMETABLE.is_running else dg.DefaultSensorStatus.STOPPED

# An alert is read on a telephone; the run has the rest.
_LONGEST_REASON = 2_000

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def _due_events(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Looks at the outbox; sends nothing itself."""
    try:
        settings = Settings.from_environment(os.environ)
        engine = open_engine(settings.database_url.get_secret_value())
    except (BadSetting, DatabaseProblem) as bad:
        return dg.SkipReason(str(bad))
    names = sink_names(settings)
    try:
        with reading(engine) as connection:
            is_due = bool(names) and deliveries.is_due(connection, names, datetime.now(UTC))
    finally:
        engine.dispose()
    if not is_due:
        return dg.SkipReason(
            "nothing is due" if names else "no webhook, handler or Django project is configured"
        )
    under_way = context.instance.get_runs_count(
        dg.RunsFilter(job_name=deliver_events_job.name, statuses=_UNDER_WAY)
    )
    return dg.SkipReason("a delivery is under way") if under_way else dg.RunRequest()


@dg.sensor(
    job_name=recheck_job.name,
    minimum_interval_seconds=TIMETABLE.interval,
    default_status=_STATUS,
    description="Looks at the balances of open payments, a hundred accounts a call, and requests a recheck of just "
    "those that have enough money in their wallets. Goes on at the next tick where one ends.",
)
def recheck_sensor(
    context: dg.SensorEvaluationContext,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> dg.SensorResult:
    """Reads only. Trouble of the chain skips the tick with its reason; what a person must mend fails it."""
    cursor = Cursor.parse(context.cursor)
    started, now = time.monotonic(), datetime.now(UTC)
    if cursor.not_before is not None and now < cursor.not_before:
        wait = round((cursor.not_before - now).total_seconds())
        return dg.SensorResult(skip_reason=f"the chain asked for patience; the next look is in {wait} s")
    try:
        settings = settings_of(database, rpc, vault)
        deployment = deployment_of(settings, retry_window_seconds=_RETRY_SECONDS)
        try:
            look = scan_balances(
                deployment,
                after=cursor.after,
                page=TIMETABLE.page,
                seconds=_LOOK_SECONDS,
                watch_days=settings.watch_days,
                tolerance=settings.underpayment_tolerance,
            )
            seen = asyncio.run(look)
        finally:
            deployment.engine.dispose()
    except NeedsOperator as error:
        raise permanent(error) from None
    asked = recheck_requests.requests_for(context.instance, seen.funded, now, TIMETABLE.interval)
    told = f"{_seen(seen)}, {seen.calls} calls, {time.monotonic() - started:.1f} s; {asked.words}"
    context.log.info(told)
    after = cursor.moved_to(seen, now, TIMETABLE.interval).as_text()
    if asked.requests:
        return dg.SensorResult(run_requests=asked.requests, cursor=after)
    return dg.SensorResult(skip_reason=told, cursor=after)


@dg.run_failure_sensor(
    default_status=_STATUS,
    description="Writes an `ops.run_failed` event for every failed run, which is delivered like the others, and logs "
    "what to do.",
)
def run_failed_sensor(context: dg.RunFailureSensorContext, database: DatabaseResource) -> None:
    """Only what our own failures say of themselves is told; a foreign exception's words may hold a secret."""
    run = context.dagster_run
    steps = {event.step_key or "": _reason(event) for event in context.get_step_failure_events()}
    body: dict[str, object] = {
        "run_id": run.run_id,
        "job": run.job_name,
        "steps": steps,
        "set_aside": run.tags.get("solpay/set_aside", "0"),
        "what_to_do": _what_to_do(run, steps),
    }
    context.log.error("%s %s failed: %s", run.job_name, run.run_id, body["what_to_do"])
    if run.job_name == deliver_events_job.name:
        # An event that events cannot be delivered would only wait with them, once more at every try.
        return
    settings = settings_of(database)
    engine = open_engine(settings.database_url.get_secret_value())
    try:
        with engine.begin() as connection:
            event = Event(EventKind.RUN_FAILED, None, None, body)
            outbox.append(connection, [event], RunRef(run.run_id, "run_failed"), datetime.now(UTC))
    finally:
        engine.dispose()


def _seen(seen: ScanResult) -> str:
    words = f"looked at {seen.looked_at} open payments"
    if seen.trouble is not None:
        return f"{words}, then the chain could not be read: {seen.trouble}"
    if seen.is_out_of_time:
        return f"{words} until the time was up; the next tick goes on behind payment {seen.after}"
    return f"{words}, up to payment {seen.after}" if seen.after else f"{words}, to the end"


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description[:_LONGEST_REASON]
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "it ended without a word" if error is None else (error.cls_name or "an unnamed error")


def _what_to_do(run: dg.DagsterRun, steps: dict[str, str]) -> str:
    if run.tags.get("solpay/set_aside"):
        return "all else is done; look at what was set aside in the run's page, mend it, and launch the job again"
    if not steps:
        return "the process died; nothing is lost, the next run settles what was in flight; see why it died"
    return f"mend the cause and launch the job again, nothing is lost: {'; '.join(steps.values())}"[
        :_LONGEST_REASON
    ]


# By name: a job itself would make Dagster build the sensor anew, with a parameter that it then warns of.
deliver_events_sensor = dg.SensorDefinition(
    name="deliver_events_sensor",
    evaluation_fn=_due_events,
    job_name=deliver_events_job.name,
    minimum_interval_seconds=_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Requests a delivery when an event is due for the webhook, a handler or Django.",
)
