"""How long the recheck sensor takes over many open payments, on the embedded chain.

python -m benchmarks.recheck_sensor [PAYMENTS]: every payment takes SOL and one token, one in 10,000 is paid. Ticks
follow each other until the end of the list is reached; each has the daemon's 60 seconds.
"""

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from solders.keypair import Keypair

from solpay_pipeline.records.tables import PRICE_COLUMN
from solpay_pipeline_tests.shop import Shop, open_shop

PAID_ONE_IN = 10_000


def fill(shop: Shop, count: int) -> int:
    """Rows as the peer writes them, in bulk; returns how many of them are paid."""
    shop.accept_sol()
    shop.accept_mint()
    tables, now = shop.deployment.tables, datetime.now(UTC)
    stamps = {"created": now, "updated": now}
    keypairs = [Keypair() for _ in range(count)]
    with shop.deployment.engine.begin() as connection:
        for token_id, amount in zip(shop.tokens.values(), ("0.1", "5"), strict=True):
            connection.execute(
                sa.insert(tables.price).values(
                    amount_in_crypto=Decimal(amount), token_id=token_id, meta_data={}, **stamps
                )
            )
        prices = list(connection.scalars(sa.select(tables.price.c.id)))
        for start in range(0, count, 10_000):
            part = range(start, min(start + 10_000, count))
            connection.execute(
                sa.insert(tables.wallet),
                [{"id": i + 1, "keypair_json": "sealed", "state": "created", **stamps} for i in part],
            )
            connection.execute(
                sa.insert(tables.payment),
                [
                    {
                        "id": i + 1,
                        "payment_address": str(keypairs[i].pubkey()),
                        "status": "initiated",
                        "expiration_date": now + timedelta(hours=1),
                        "meta_data": {},
                        "one_time_payment_wallet_id": i + 1,
                        **stamps,
                    }
                    for i in part
                ],
            )
            connection.execute(
                sa.insert(tables.payment_price),
                [{tables.payment_column: i + 1, PRICE_COLUMN: price} for i in part for price in prices],
            )
    paid = keypairs[::PAID_ONE_IN]
    for keypair in paid:
        shop.seed.pay_sol(keypair.pubkey(), 10**8)
    shop.settle_chain()
    return len(paid)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder)) as shop:
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
