"""The code location: names what there is, nothing else."""

import dagster as dg

from solpay_pipeline.defs.assets import REPORT_ASSETS, reports_job
from solpay_pipeline.defs.checks import REPORT_CHECKS
from solpay_pipeline.defs.event_sensors import deliver_events_sensor, run_failed_sensor
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.defs.recheck_sensor import recheck_sensor
from solpay_pipeline.defs.resources import RESOURCES
from solpay_pipeline.defs.schedules import maintenance_schedule, reports_schedule

defs = dg.Definitions(
    assets=REPORT_ASSETS,
    asset_checks=REPORT_CHECKS,
    jobs=[*OPERATION_JOBS.values(), reports_job],
    schedules=[maintenance_schedule, reports_schedule],
    sensors=[recheck_sensor, deliver_events_sensor, run_failed_sensor],
    resources=RESOURCES,
)
