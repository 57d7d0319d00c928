"""The code location: names what there is, nothing else."""

import dagster as dg

from solpay_pipeline.jobs import OPERATION_JOBS
from solpay_pipeline.resources import (
    DatabaseResource,
    EventSinkResource,
    SolanaRpcResource,
    WalletVaultResource,
)
from solpay_pipeline.sensors import deliver_events_sensor

defs = dg.Definitions(
    jobs=list(OPERATION_JOBS.values()),
    sensors=[deliver_events_sensor],
    resources={
        "database": DatabaseResource(),
        "rpc": SolanaRpcResource(),
        "vault": WalletVaultResource(),
        "events": EventSinkResource(),
    },
)
