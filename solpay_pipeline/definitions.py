"""The code location: names what there is, nothing else."""

import dagster as dg

from solpay_pipeline.defs.assets import REPORT_ASSETS, reports_job
from solpay_pipeline.defs.checks import REPORT_CHECKS
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.defs.resources import (
    DatabaseResource,
    EventSinkResource,
    SolanaRpcResource,
    WalletVaultResource,
)
from solpay_pipeline.defs.schedules import maintenance_schedule, reports_schedule
from solpay_pipeline.defs.sensors import deliver_events_sensor, recheck_sensor, run_failed_sensor

defs = dg.Definitions(
    assets=REPORT_ASSETS,
    asset_checks=REPORT_CHECKS,
    jobs=[*OPERATION_JOBS.values(), reports_job],
    schedules=[maintenance_schedule, reports_schedule],
    sensors=[recheck_sensor, deliver_events_sensor, run_failed_sensor],
    resources={
        "database": DatabaseResource(),
        "rpc": SolanaRpcResource(),
        "vault": WalletVaultResource(),
        "events": EventSinkResource(),
    },
)
