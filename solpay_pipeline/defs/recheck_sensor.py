"""Watches open payments on chain and requests a recheck of just those with enough money. Ships stopped."""

import asyncio
import time
from contextlib import closing
from datetime import UTC, datetime

import dagster as dg

from solpay_pipeline.defs import recheck_requests
from solpay_pipeline.defs.failures import failing_well
from solpay_pipeline.defs.recheck_cursor import Cursor
from solpay_pipeline.defs.resources import DatabaseResource, SolanaRpcResource
from solpay_pipeline.operations.balance_scan import ScanResult, scan_balances
from solpay_pipeline.settings.model import Timetable
from solpay_pipeline.wiring.deployment import watched
from solpay_pipeline.wiring.environment import timetable

# Dagster ends a tick after 60; what is left is for the instance's own look-ups and a slow start.
LOOK_SECONDS = 40.0

# The next tick asks again; this one should tell what the trouble is before its time is up.
_RETRY_SECONDS = 10.0


def make_recheck_sensor(times: Timetable, look_seconds: float = LOOK_SECONDS) -> dg.SensorDefinition:
    """The sensor with these times; a tick looks for `look_seconds` at most, and the next one goes on from there."""

    @dg.sensor(
        name="recheck_sensor",
        job_name="recheck_job",
        minimum_interval_seconds=times.interval,
        default_status=dg.DefaultSensorStatus.RUNNING if times.is_running else dg.DefaultSensorStatus.STOPPED,
        description="Looks at the balances of open payments, a hundred accounts a call, and requests a recheck of just "
        "those that have enough money in their wallets. Goes on at the next tick where one ends.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, database: DatabaseResource, rpc: SolanaRpcResource
    ) -> dg.SensorResult:
        """Reads only. Trouble of the chain skips the tick with its reason; what a person must mend fails it."""
        cursor = Cursor.parse(context.cursor)
        started, now = time.monotonic(), datetime.now(UTC)
        if cursor.not_before is not None and now < cursor.not_before:
            wait = round((cursor.not_before - now).total_seconds())
            return dg.SensorResult(skip_reason=f"the chain asked for patience; the next look is in {wait} s")
        with failing_well():
            seen = _look(database, rpc, after=cursor.after, page=times.page, seconds=look_seconds)
        asked = recheck_requests.requests_for(context.instance, seen.funded, now, times.interval)
        words = f"{_seen(seen)}, {seen.calls} calls, {time.monotonic() - started:.1f} s; {asked.words}"
        context.log.info(words)
        after = cursor.moved_to(seen, now, times.interval).as_text()
        if asked.requests:
            return dg.SensorResult(run_requests=asked.requests, cursor=after)
        return dg.SensorResult(skip_reason=words, cursor=after)

    return sensor


recheck_sensor = make_recheck_sensor(timetable())


def _look(
    database: DatabaseResource, rpc: SolanaRpcResource, *, after: int, page: int, seconds: float
) -> ScanResult:
    chain = rpc.lend().retrying_for(_RETRY_SECONDS)
    with closing(database.lend()) as opened:
        look = scan_balances(
            watched(opened, chain),
            after=after,
            page=page,
            seconds=seconds,
            watch_days=chain.judging.watch_days,
            tolerance=chain.judging.tolerance,
        )
        return asyncio.run(look)


def _seen(seen: ScanResult) -> str:
    words = f"looked at {seen.looked_at} open payments"
    if seen.trouble is not None:
        return f"{words}, then the chain could not be read: {seen.trouble}"
    if seen.is_out_of_time:
        return f"{words} until the time was up; the next tick goes on behind payment {seen.after}"
    return f"{words}, up to payment {seen.after}" if seen.after else f"{words}, to the end"
