"""The jobs: regular maintenance, one job per operation, and recheck by day.

All run in one process: an operation on a hundred wallets takes less time than starting a step's process. The tag limits
in `dagster.yaml` keep two of a kind apart; the ledger makes an overlap harmless all the same.
"""

import dagster as dg

from solpay_pipeline.defs.ops import deliver_events, expire, recheck, reclaim, sweep, verdict

# Payments can be older than the pipeline: a backfill may reach back to before the peer's first release.
FIRST_DAY = "2025-01-01"

by_day = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=1)
"""The UTC day on which a payment was created; today is one of them."""

# Op failures are judged by the ops themselves; a second run would only say the same.
_NO_RERUN = {"dagster/retry_on_asset_or_op_failure": "false"}
_EXCLUSIVE = {"solpay/exclusive": "maintenance", **_NO_RERUN}
_RECHECK = {"solpay/exclusive": "recheck", **_NO_RERUN}


@dg.job(
    tags=_EXCLUSIVE,
    executor_def=dg.in_process_executor,
    description="Regular maintenance: expire unpaid payments, sweep money home, reclaim rent, in that order.",
)
def maintenance_job() -> None:
    """Expire, then sweep, then reclaim."""
    expired = expire()
    swept = sweep(after=expired)
    reclaimed = reclaim(after=swept)
    told = deliver_events([expired, swept, reclaimed])
    verdict([expired, swept, reclaimed, told])


@dg.job(tags=_EXCLUSIVE, executor_def=dg.in_process_executor, description="Expire alone.")
def expire_job() -> None:
    """Expire."""
    expired = expire()
    verdict([expired, deliver_events([expired])])


@dg.job(tags=_EXCLUSIVE, executor_def=dg.in_process_executor, description="Sweep alone.")
def sweep_job() -> None:
    """Sweep."""
    swept = sweep()
    verdict([swept, deliver_events([swept])])


@dg.job(tags=_EXCLUSIVE, executor_def=dg.in_process_executor, description="Reclaim alone.")
def reclaim_job() -> None:
    """Reclaim."""
    reclaimed = reclaim()
    verdict([reclaimed, deliver_events([reclaimed])])


@dg.job(
    partitions_def=by_day,
    tags=_RECHECK,
    executor_def=dg.in_process_executor,
    description="Find payments that were made but never noticed. Without a partition: those unseen for longest. "
    "With one: all payments created on that UTC day, by their whole history; a range of days is a backfill.",
)
def recheck_job() -> None:
    """Recheck."""
    rechecked = recheck()
    verdict([rechecked, deliver_events([rechecked])])


@dg.job(
    tags=_NO_RERUN,
    executor_def=dg.in_process_executor,
    description="Deliver the events that wait: at least once, in order per payment, with stable ids.",
)
def deliver_events_job() -> None:
    """Deliver."""
    verdict([deliver_events()])


OPERATION_JOBS = {
    "expire": expire_job,
    "sweep": sweep_job,
    "reclaim": reclaim_job,
    "recheck": recheck_job,
    "maintain": maintenance_job,
    "deliver_events": deliver_events_job,
}
