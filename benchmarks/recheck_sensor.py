"""How long the recheck sensor takes over many open payments, on the embedded chain.

python -m benchmarks.recheck_sensor [PAYMENTS]: every payment takes SOL and one token, one in 10,000 is paid. Ticks
follow each other until the end of the list is reached; each has the daemon's 60 seconds.
"""

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.testing.shop import Shop
from solpay_pipeline.testing.writing import Row, add_rows

PAID_ONE_IN = 10_000
ROWS_TOGETHER = 10_000


def fill(shop: Shop, count: int) -> int:
    """Rows as the peer writes them, in bulk; returns how many of them are paid."""
    tokens = [
        shop.accept_token(None, "0.1", "SOL"),
        shop.accept_token(shop.seed.create_mint(), "5", "T0"),
    ]
    now = datetime.now(UTC)
    rows = [Row(Keypair().pubkey(), now, now + timedelta(hours=1)) for _ in range(count)]
    options = {token.row_id: token.price for token in tokens if token.row_id is not None}
    with shop.engine.begin() as connection:
        for start in range(0, count, ROWS_TOGETHER):
            add_rows(connection, shop.tables, rows[start : start + ROWS_TOGETHER], options, start + 1)
    paid = rows[::PAID_ONE_IN]
    for row in paid:
        shop.seed.pay_sol(row.address, 10**8)
    shop.settle_chain()
    return len(paid)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Chain(ChainConfig(slot_seconds=0.02))) as node,
        Shop.open(f"sqlite:///{folder}/shop.db", node) as shop,
    ):
        shop.fund()
        paid = fill(shop, count)
        os.environ |= shop.environment()
        from solpay_pipeline.definitions import defs
        from solpay_pipeline.defs.recheck_sensor import recheck_sensor

        seconds, cursor, found, calls = [], None, 0, 0
        with dg.DagsterInstance.ephemeral() as instance:
            while cursor is None or '"after": 0' not in cursor:
                before, started = shop.node.calls.total(), time.monotonic()
                with dg.build_sensor_context(
                    instance=instance,
                    cursor=cursor,
                    repository_def=defs.get_repository_def(),
                    resources=dict(defs.resources or {}),
                ) as context:
                    tick = recheck_sensor.evaluate_tick(context)
                cursor = tick.cursor
                seconds.append(time.monotonic() - started)
                calls += shop.node.calls.total() - before
                found += sum(
                    len(one.run_config["ops"]["config"]["payment_ids"]) for one in tick.run_requests or ()
                )
                print(f"tick {len(seconds)}: {seconds[-1]:.1f} s, cursor {cursor}", flush=True)
    print(
        f"{count} open payments: {len(seconds)} ticks, {sum(seconds):.1f} s, longest {max(seconds):.1f} s, "
        f"{calls} calls, {found} of {paid} paid ones found"
    )


if __name__ == "__main__":
    main()
