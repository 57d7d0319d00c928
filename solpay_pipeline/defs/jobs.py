"""The jobs: regular maintenance, one job per operation, and recheck by day.

All run in one process, op after op: an operation on a hundred wallets takes less time than the
start of a step's process. The tag limits in `dagster.yaml` keep two of a kind apart; the ledger makes an overlap
harmless all the same.
"""

from collections.abc import Mapping

import dagster as dg

from solpay_pipeline.defs.concurrency import MAINTENANCE, RECHECK
from solpay_pipeline.defs.config import (
    DeliverConfig,
    ExpireConfig,
    MaintainConfig,
    OperationConfig,
    RecheckConfig,
    SweepConfig,
    one_config,
)
from solpay_pipeline.defs.failures import NO_RERUN
from solpay_pipeline.defs.ops import deliver_events, expire, recheck, reclaim, sweep, verdict

# Payments can be older than the pipeline: a backfill may reach back to before the peer's first release.
FIRST_DAY = "2025-01-01"

by_day = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=1)
"""The UTC day on which a payment was created; today is one of them."""


@dg.graph(
    name="maintenance_job",
    config=one_config(MaintainConfig, expire=ExpireConfig, sweep=SweepConfig, reclaim=OperationConfig),
    description="Regular maintenance: expire unpaid payments, sweep money home, reclaim rent, in that order.",
)
def _maintenance() -> None:
    expired = expire()
    swept = sweep(after=expired)
    reclaimed = reclaim(after=swept)
    verdict([expired, swept, reclaimed], deliver_events(after=reclaimed))


def _alone(operation: dg.OpDefinition, config: type[dg.Config], description: str) -> dg.GraphDefinition:
    """One operation, the delivery of its events, and the verdict."""

    @dg.graph(
        name=f"{operation.name}_job",
        config=one_config(config, **{operation.name: config}),
        description=description,
    )
    def alone() -> None:
        done = operation()
        verdict([done], deliver_events(after=done))

    return alone


@dg.graph(
    name="deliver_events_job",
    config=one_config(DeliverConfig, deliver_events=DeliverConfig),
    description="Deliver the events that wait: at least once, in order per payment, with stable ids.",
)
def _delivery() -> None:
    verdict(delivery=deliver_events())


_EXPIRE = _alone(expire, ExpireConfig, "Expire alone.")
_SWEEP = _alone(sweep, SweepConfig, "Sweep alone.")
_RECLAIM = _alone(reclaim, OperationConfig, "Reclaim alone.")
_RECHECK = _alone(
    recheck,
    RecheckConfig,
    "Find payments that were made but never noticed. Without a partition: those unseen for longest. With one: all "
    "payments created on that UTC day, by their whole history; a range of days is a backfill.",
)


def operation_jobs() -> dict[str, dg.JobDefinition]:
    """All jobs that do something, by command."""

    def job(
        graph: dg.GraphDefinition,
        exclusive: Mapping[str, str],
        days: dg.DailyPartitionsDefinition | None = None,
    ) -> dg.JobDefinition:
        return graph.to_job(
            description=graph.description,
            tags={**exclusive, **NO_RERUN},
            executor_def=dg.in_process_executor,
            partitions_def=days,
        )

    return {
        "expire": job(_EXPIRE, MAINTENANCE),
        "sweep": job(_SWEEP, MAINTENANCE),
        "reclaim": job(_RECLAIM, MAINTENANCE),
        "recheck": job(_RECHECK, RECHECK, by_day),
        "maintain": job(_maintenance, MAINTENANCE),
        "deliver_events": job(_delivery, {}),
    }


OPERATION_JOBS = operation_jobs()
"""Those of the code location."""
