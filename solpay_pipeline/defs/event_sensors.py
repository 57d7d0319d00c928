"""One sensor requests the delivery of events, one makes an event of each failed run. Both ship stopped."""

from contextlib import closing
from datetime import UTC, datetime

import dagster as dg

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.database_trouble import DatabaseTrouble
from solpay_pipeline.defs.concurrency import UNDER_WAY
from solpay_pipeline.defs.resources import DatabaseResource, EventSinkResource
from solpay_pipeline.ledger import audit, deliveries, outbox
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.settings.model import BadSetting
from solpay_pipeline.wiring.environment import timetable

_DELIVERY = "deliver_events_job"
_SECONDS = 30

# An alert is read on a telephone; the run has the rest.
_LONGEST_REASON = 2_000


@dg.sensor(
    job_name=_DELIVERY,
    minimum_interval_seconds=_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Requests a delivery when an event is due for the webhook, a handler or Django.",
)
def deliver_events_sensor(
    context: dg.SensorEvaluationContext, database: DatabaseResource, events: EventSinkResource
) -> dg.RunRequest | dg.SkipReason:
    """Looks at the outbox; sends nothing itself."""
    try:
        names = events.lend().names
        if not names:
            return dg.SkipReason("no webhook, handler or Django project is configured")
        with closing(database.lend()) as opened, reading(opened.engine) as connection:
            is_due = deliveries.is_due(connection, names, datetime.now(UTC))
    except (BadSetting, DatabaseTrouble) as bad:
        return dg.SkipReason(str(bad))
    if not is_due:
        return dg.SkipReason("nothing is due")
    under_way = context.instance.get_runs_count(dg.RunsFilter(job_name=_DELIVERY, statuses=UNDER_WAY))
    return dg.SkipReason("a delivery is under way") if under_way else dg.RunRequest()


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING
    if timetable().is_running
    else dg.DefaultSensorStatus.STOPPED,
    description="Writes an `ops.run_failed` event for every failed run, which is delivered like the others, and logs "
    "what to do.",
)
def run_failed_sensor(context: dg.RunFailureSensorContext, database: DatabaseResource) -> None:
    """Only what our own failures say of themselves is reported; a foreign exception's words may hold a secret."""
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
    if run.job_name == _DELIVERY:
        # An event that events cannot be delivered would only wait with them, once more at every try.
        return
    with closing(database.lend()) as opened, opened.engine.begin() as connection:
        event = Event(EventKind.RUN_FAILED, None, None, body | {"audit_head": audit.head(connection)})
        outbox.append(connection, [event], RunRef(run.run_id, "run_failed"), datetime.now(UTC))


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
