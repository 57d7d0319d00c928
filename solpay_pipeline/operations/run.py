"""Runs one operation from preflight to outcome: the only entry for all callers."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.startup import seldom_collecting
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.summary import summarize
from solpay_pipeline.operations.context.context import MAX_RUNTIME, OperationContext, Progress
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.outcome import Outcome, Tally, outcome_of
from solpay_pipeline.operations.expire import expire
from solpay_pipeline.operations.external_acceptances import report_external_acceptances
from solpay_pipeline.operations.finality import follow_acceptances
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
    """Try one operation once; see `OperationRun.attempt`."""
    return await OperationRun(deployment, operation, options, run_id, progress).attempt()


@dataclass(slots=True)
class OperationRun:
    """One operation of one run, however often it is tried.

    `has_begun`: what all operations begin with is behind it, so that a failure is this operation's own.
    """

    deployment: Deployment
    operation: str
    options: Options
    run_id: str
    progress: Progress = silent
    has_begun: bool = False
    _tally: Tally = field(default_factory=Tally)
    _calls: Counter[str] = field(default_factory=Counter)

    async def attempt(self) -> Outcome:
        """Settle what is in flight, follow up acceptances, report what others accepted, then do the operation.

        Raises `Blocked` and the permanent errors of the chain where somebody must change something first, the transient
        ones (`RateLimited`, `NodeBehind`, `Unreachable`, `MalformedAnswer`) where a retry goes on from where it was.
        """
        self._tally.begin_again()
        with seldom_collecting():
            return await self._attempt()

    def out_of_time(self, waiting: str = "") -> Outcome:
        """What was done by the end of the time; `waiting` says what it was waiting for last."""
        self._tally.stopped_reason = MAX_RUNTIME
        self._tally.last_wait = waiting
        return self._so_far()

    def failed(self, failure: str) -> Outcome:
        """What was done until the failure."""
        return self._so_far(failure)

    async def _attempt(self) -> Outcome:
        ref = RunRef(self.run_id, self.operation)
        async with open_context(self.deployment, self.options, ref, self.progress, self._tally) as context:
            try:
                if self.options.dry_run:
                    count_in_flight(context)
                else:
                    await settle(context)
                    await follow_acceptances(context)
                    await report_external_acceptances(context)
                self.has_begun = True
                await OPERATIONS[self.operation](context)
            finally:
                self._calls += context.rpc.calls
        return outcome_of(
            self.operation,
            self.run_id,
            context.tally,
            context.books.summary(),
            dict(self._calls),
            dry_run=self.options.dry_run,
            blocked=_blocked(context),
            remarks=context.facts.remarks,
        )

    def _so_far(self, failure: str | None = None) -> Outcome:
        with reading(self.deployment.engine) as connection:
            done = summarize(connection, RunRef(self.run_id, self.operation), self._tally.finished)
        return outcome_of(
            self.operation,
            self.run_id,
            self._tally,
            done,
            dict(self._calls),
            dry_run=self.options.dry_run,
            failure=failure,
        )


def _blocked(context: OperationContext) -> str | None:
    wallets = context.tally.kept_back
    reasons = [NO_KEY] if context.is_keyless else []
    if context.binding.obstacle is not None:
        reasons.append(context.binding.obstacle)
    return f"the money of {wallets} wallets is not sent: {'; '.join(reasons)}" if wallets else None
