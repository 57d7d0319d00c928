"""What starts runs by itself when there is something to do. All of it ships stopped; the operator turns it on."""

import os
from datetime import UTC, datetime

import dagster as dg

from solpay_pipeline.jobs import deliver_events_job
from solpay_pipeline.ledger import deliveries
from solpay_pipeline.records.database import DatabaseProblem, open_engine, reading
from solpay_pipeline.settings import BadSetting, Settings
from solpay_pipeline.sinks import sink_names

_SECONDS = 30

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    job=deliver_events_job,
    minimum_interval_seconds=_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Requests a delivery when an event is due for the webhook, a handler or Django.",
)
def deliver_events_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
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
        return dg.SkipReason("nothing is due" if names else "no webhook, handler or Django project is configured")
    under_way = context.instance.get_runs_count(
        dg.RunsFilter(job_name=deliver_events_job.name, statuses=_UNDER_WAY)
    )
    return dg.SkipReason("a delivery is under way") if under_way else dg.RunRequest()
