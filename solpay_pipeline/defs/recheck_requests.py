"""Turns noticed payments into requests for recheck, each finding once, and once more where its run failed.

A finding is a set of payments with their balances; its fingerprint is a tag of the run and, with the number of the
attempt, its run key. What an active run works on already is left out. What was set aside before is asked for apart: a
payment that nobody can judge makes its own run fail, and not those of all that are paid after it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from solpay_pipeline.defs.concurrency import UNDER_WAY
from solpay_pipeline.defs.config import chosen, run_config
from solpay_pipeline.operations.balance_scan import FundedPayment
from solpay_pipeline.wiring.choices import RecheckChoices

FINGERPRINT = "solpay/finding"

# Readable in the Launchpad, and done in a minute.
_MOST_A_RUN = 200

# A finding whose run fails again and again needs a person; until then it is tried every hour.
_LONGEST_PAUSE = 3_600

_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to request, and the whole of it in words."""

    requests: list[dg.RunRequest]
    words: str


def requests_for(
    instance: dg.DagsterInstance, funded: Sequence[FundedPayment], now: datetime, interval: int
) -> Asked:
    """Requests for what was noticed; `interval` is the seconds between two ticks."""
    if not funded:
        return Asked([], "no payment has enough money")
    busy = _under_way(instance)
    fresh = [one for one in funded if one.payment_id not in busy]
    requests: list[dg.RunRequest] = []
    known = len(funded) - len(fresh)
    for part in _parts(fresh):
        request = _request(instance, part, now, interval)
        if request is None:
            known += len(part)
        else:
            requests.append(request)
    words = f"{len(funded)} payments have enough money, {known} of them are being rechecked or were"
    return Asked(requests, words)


def _parts(funded: Sequence[FundedPayment]) -> Iterator[Sequence[FundedPayment]]:
    """What one run each is to look at."""
    for is_set_aside in (False, True):
        alike = [one for one in funded if one.is_set_aside is is_set_aside]
        for start in range(0, len(alike), _MOST_A_RUN):
            yield alike[start : start + _MOST_A_RUN]


def _request(
    instance: dg.DagsterInstance, part: Sequence[FundedPayment], now: datetime, interval: int
) -> dg.RunRequest | None:
    fingerprint = _fingerprint(part)
    runs = instance.get_run_records(dg.RunsFilter(job_name="recheck_job", tags={FINGERPRINT: fingerprint}))
    if any(record.dagster_run.status not in _FAILED for record in runs):
        return None
    if runs:
        ended = max(record.end_time or record.update_timestamp.timestamp() for record in runs)
        pause = min(interval * 2 ** len(runs), _LONGEST_PAUSE)
        if now.astimezone(UTC).timestamp() < ended + pause:
            return None
    ids = [one.payment_id for one in part]
    return dg.RunRequest(
        run_key=f"{fingerprint}:{len(runs)}",
        run_config=run_config(RecheckChoices(payment_ids=ids, limit=len(ids))),
        tags={FINGERPRINT: fingerprint, "solpay/payments": str(len(ids))},
    )


def _fingerprint(part: Sequence[FundedPayment]) -> str:
    told = json.dumps(sorted((one.payment_id, one.balances) for one in part))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _under_way(instance: dg.DagsterInstance) -> set[int]:
    """Payments that are named by a recheck which is queued or running."""
    runs = instance.get_runs(dg.RunsFilter(job_name="recheck_job", statuses=UNDER_WAY))
    return {payment_id for run in runs for payment_id in chosen(run.run_config).get("payment_ids") or ()}
