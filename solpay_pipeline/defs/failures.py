"""How an operation's trouble becomes Dagster's: what a retry can mend is retried, all else fails at once.

`Failure(allow_retries=False)` binds op-level retries only; run-level ones are off for ops by the instance's
`retry_on_asset_or_op_failure` and by the jobs' tag of the same name.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from solpay_pipeline.base.errors import NeedsOperator, Passing

# A rate limit of a public endpoint lasts ten seconds, an outage of a provider some minutes.
RETRIES = dg.RetryPolicy(max_retries=4, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

NO_RETRY = dg.RetryPolicy(max_retries=0)
"""For an op that must not take its job's policy."""

NO_RERUN = {"dagster/retry_on_asset_or_op_failure": "false"}
"""The tag of jobs whose ops judge their own failures: a second run would only say the same."""

INTERRUPTED = DagsterExecutionInterruptedError
"""What Terminate raises in an op; a BaseException that a RetryPolicy would retry (dagster issue 15026)."""


class PermanentFailure(dg.Failure):
    """Retrying cannot mend it. The description says what can."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, allow_retries=False)


def permanent(error: NeedsOperator) -> PermanentFailure:
    """The failure for trouble that a person must mend."""
    return PermanentFailure(f"{type(error).__name__}: {error}")


def transient(error: Passing) -> dg.RetryRequested | Passing:
    """Retry when the node said it may be asked again; without its word the op's own policy decides."""
    if error.retry_after is None:
        return error
    return dg.RetryRequested(max_retries=RETRIES.max_retries, seconds_to_wait=error.retry_after)


def cancelled() -> PermanentFailure:
    """The failure that makes a terminated run end as cancelled instead of being retried."""
    return PermanentFailure(
        "stopped on request; nothing is lost: the ledger holds what was in flight, and the next run settles it"
    )


@contextmanager
def failing_well() -> Iterator[None]:
    """Let trouble leave the block as the failure that Dagster is to see."""
    try:
        yield
    except (INTERRUPTED, asyncio.CancelledError) as interrupt:
        raise cancelled() from interrupt
    except NeedsOperator as error:
        raise permanent(error) from None
    except Passing as error:
        raise transient(error) from None
