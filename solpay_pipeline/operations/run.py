"""Runs one operation from preflight to outcome: the only entry for all callers."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Final

from solpay_pipeline.base.startup import seldom_collecting
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.operations.context.context import OperationContext, Progress
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Outcome, outcome_of
from solpay_pipeline.operations.expire import expire
from solpay_pipeline.operations.external_acceptances import report_external_acceptances
from solpay_pipeline.operations.moving.keyless import NO_KEY
from solpay_pipeline.operations.moving.settle import count_in_flight, settle
from solpay_pipeline.operations.preflight import open_context
from solpay_pipeline.operations.recheck import recheck
from solpay_pipeline.operations.reclaim import reclaim
from solpay_pipeline.operations.sweep import sweep

OPERATIONS: Final = MappingProxyType[str, Callable[[OperationContext], Awaitable[None]]](
    {"expire": expire, "sweep": sweep, "reclaim": reclaim, "recheck": recheck}
)


def silent(_stage: str, _count: int) -> None:
    """No progress shown."""


async def run_operation(
    deployment: Deployment, operation: str, options: Options, run_id: str, progress: Progress = silent
) -> Outcome:
    """Settle what is in flight, report what others accepted meanwhile, then do the operation.

    Raises `Blocked` and the permanent errors of the chain where somebody must change something first, the transient
    ones (`RateLimited`, `NodeBehind`, `Unreachable`, `MalformedAnswer`) where a retry goes on from where it was.
    """
    run = RunRef(run_id, operation)
    with seldom_collecting():
        return await _run(deployment, options, run, progress)


async def _run(deployment: Deployment, options: Options, run: RunRef, progress: Progress) -> Outcome:
    operation = run.operation
    async with open_context(deployment, options, run, progress) as context:
        if options.dry_run:
            count_in_flight(context)
        else:
            await settle(context)
            await report_external_acceptances(context)
        await OPERATIONS[operation](context)
        calls = dict(context.rpc.calls)
    return outcome_of(
        operation,
        run.run_id,
        context.tally,
        context.books.summary(),
        calls,
        dry_run=options.dry_run,
        blocked=_blocked(context),
    )


def _blocked(context: OperationContext) -> str | None:
    wallets = context.tally.kept_back
    reasons = [NO_KEY] if context.is_keyless else []
    if context.binding.obstacle is not None:
        reasons.append(context.binding.obstacle)
    return f"the money of {wallets} wallets is not sent: {'; '.join(reasons)}" if wallets else None
