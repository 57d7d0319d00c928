"""How trouble becomes Dagster's: what passes was waited out by then, so that all that is left fails at once.

Dagster waits for a retry deaf to signals and beyond any limit of ours, and says of one that failed for good how often
it was tried and not why. So its retries are not used: see `operations/persistence.py`.
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
from solpay_pipeline.operations.persistence import said

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
        # As an interruption it ends the whole run; as a failure it would only end its op.
        raise INTERRUPTED(STOPPED) from None
    except SolpayError as error:
        raise PermanentFailure(said(error)) from None
