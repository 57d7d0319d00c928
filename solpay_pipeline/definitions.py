"""The code location: names what there is, nothing else."""

import dagster as dg

from solpay_pipeline.jobs import OPERATION_JOBS
from solpay_pipeline.resources import (
    DatabaseResource,
    EventSinkResource,
    SolanaRpcResource,
    WalletVaultResource,
)

defs = dg.Definitions(
    jobs=list(OPERATION_JOBS.values()),
    resources={
        "database": DatabaseResource(),
        "rpc": SolanaRpcResource(),
        "vault": WalletVaultResource(),
        "events": EventSinkResource(),
    },
)
