"""A tick of a sensor or a schedule as the daemon makes it, and the runs that it asked for."""

import json

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.recheck_sensor import recheck_sensor
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET

RESOURCES = dict(defs.resources or {})


def tick(
    instance: dg.DagsterInstance, cursor: str | None = None, *, sensor: dg.SensorDefinition = recheck_sensor
) -> SensorExecutionData:
    """One evaluation of the recheck sensor."""
    repository = defs.get_repository_def()
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=repository, resources=RESOURCES
    ) as context:
        return sensor.evaluate_tick(context)


def payment_ids(request: dg.RunRequest) -> list[int]:
    return list(request.run_config["ops"]["config"]["payment_ids"])


def requested(data: SensorExecutionData) -> list[int]:
    """All payments that a tick asks a recheck for."""
    return [one for request in data.run_requests or () for one in payment_ids(request)]


def perform(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """The requested run, with its tags, as the daemon would launch it."""
    return defs.resolve_job_def("recheck_job").execute_in_process(
        run_config={**request.run_config, **QUIET},
        instance=instance,
        tags=request.tags,
        raise_on_error=False,
    )


def after_of(data: SensorExecutionData) -> int:
    return int(json.loads(data.cursor or "")["after"])
