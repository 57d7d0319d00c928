"""Runs one operation from preflight to outcome: the only entry for whoever calls."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Final

from solpay_pipeline.ledger.entries import RunRef
from solpay_pipeline.ledger.summary import summarize
from solpay_pipeline.operations.errand import Errand, Progress, open_errand
from solpay_pipeline.operations.expire import expire
from solpay_pipeline.operations.merchant import Merchant
from solpay_pipeline.operations.options import Options
from solpay_pipeline.operations.outcome import Outcome, outcome_of
from solpay_pipeline.operations.recheck import recheck
from solpay_pipeline.operations.reclaim import reclaim
from solpay_pipeline.operations.settle import settle
from solpay_pipeline.operations.sweep import sweep
from solpay_pipeline.records.database import reading

OPERATIONS: Final = MappingProxyType[str, Callable[[Errand], Awaitable[None]]](
    {"expire": expire, "sweep": sweep, "reclaim": reclaim, "recheck": recheck}
)


def silent(_stage: str, _count: int) -> None:
    """No progress shown."""


async def run_operation(
    merchant: Merchant, operation: str, options: Options, run_id: str, progress: Progress = silent
) -> Outcome:
    """Settle what is in flight, then do the operation.

    Raises `Blocked` and the permanent errors of the chain where somebody must change something first, the transient
    ones (`RateLimited`, `NodeBehind`, `Unreachable`, `MalformedAnswer`) where a retry goes on from where it was.
    """
    run = RunRef(run_id, operation)
    async with open_errand(merchant, options, run, progress) as errand:
        await settle(errand)
        await OPERATIONS[operation](errand)
        calls = dict(errand.rpc.calls)
    with reading(merchant.engine) as connection:
        summary = summarize(connection, run)
    return outcome_of(operation, run_id, errand.tally, summary, calls, dry_run=options.dry_run)
