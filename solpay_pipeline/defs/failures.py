"""How an operation's trouble becomes Dagster's: what a retry can mend is retried, all else fails at once.

Dagster waits for a retry deaf to signals and beyond any limit of ours, and says of one that failed for good how often
it was tried and not why. So the op waits by itself, within its time and telling it, then asks for a retry at once
(`operations/persistence.py`); the last try fails with its cause.
`Failure(allow_retries=False)` binds op-level retries only; run-level ones are off for ops by the instance's
`retry_on_asset_or_op_failure` and by the jobs' tag of the same name.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from solpay_pipeline.base.errors import SolpayError
from solpay_pipeline.operations.persistence import WAITS, TryAgain, said

RETRIES = dg.RetryPolicy(max_retries=len(WAITS))
"""Of rate limits and other trouble that passes."""

NO_RERUN = {"dagster/retry_on_asset_or_op_failure": "false"}
"""The tag of jobs whose ops judge their own failures: a second run would only say the same."""

INTERRUPTED = DagsterExecutionInterruptedError
"""What Terminate raises in an op: a BaseException."""

STOPPED = (
    "stopped on request; nothing is lost: the ledger holds what was in flight, and the next run settles it"
)


class PermanentFailure(dg.Failure):
    """Retrying cannot mend it. The description says what can."""

    def __init__(self, description: str, metadata: Mapping[str, dg.MetadataValue[Any]] | None = None) -> None:
        super().__init__(description=description, metadata=metadata, allow_retries=False)


@contextmanager
def failing_well() -> Iterator[None]:
    """Let trouble leave the block as the failure that Dagster is to see."""
    try:
        yield
    except (INTERRUPTED, asyncio.CancelledError, KeyboardInterrupt):
        # The policy would retry an interruption (dagster issue 15026); the ops behind a failure do not run.
        raise PermanentFailure(STOPPED) from None
    except TryAgain as again:
        raise dg.RetryRequested(max_retries=RETRIES.max_retries, seconds_to_wait=0) from again
    except SolpayError as error:
        raise PermanentFailure(said(error)) from None
