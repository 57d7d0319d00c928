"""In a shop with a hundred thousand payments two statements of a run read payments or wallets from end to end: the one
that finds what is due for a look at rest, and the one that finds wallets whose payment a shop has deleted. Neither
hands out a row that is not worked on.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.ledger.tables import watch
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.records.indexes import create_indexes, missing_indexes
from solpay_pipeline.records.tables import PAYMENT_TABLE, PRICE_COLUMN, WALLET_TABLE
from solpay_pipeline_tests.shop import Shop, open_shop

PAYMENTS = 100_000
OPEN_ONE_IN = 10
OPEN_READ = 3_000
"""Rows up to here have an address that can be read; no operation below comes further."""

FROM_END_TO_END = ("LEFT OUTER JOIN solpay_watch", f"{PAYMENT_TABLE}.id IS NULL ORDER BY")

NAMES = [
    "solpay_payment_status_id",
    "solpay_payment_address",
    "solpay_payment_created",
    "solpay_payment_expiration",
    "solpay_wallet_state_id",
]


def test_the_indexes_are_made_once_and_only_when_asked_for(tmp_path: Path, database_url: str) -> None:
    with open_shop(tmp_path, database_url=database_url) as shop:
        engine, tables = shop.deployment.engine, shop.deployment.tables
        assert missing_indexes(engine, tables) == NAMES
        assert create_indexes(engine, tables) == NAMES
        assert missing_indexes(engine, tables) == []
        assert create_indexes(engine, tables) == []


@pytest.mark.slow
def test_no_other_statement_reads_all_payments_or_all_wallets(tmp_path: Path, database_url: str) -> None:
    with open_shop(tmp_path, database_url=database_url) as shop:
        shop.accept_sol()
        fill(shop)
        create_indexes(shop.deployment.engine, shop.deployment.tables)
        analyze(shop)
        due = shop.new_payment(lasts=timedelta(minutes=1))
        paid = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        shop.pay_sol(paid)
        shop.wait(minutes=2)
        plans: list[str] = []
        with seen_statements(shop) as statements:
            for operation in ("expire", "sweep", "reclaim"):
                shop.run(operation)
            shop.run("recheck", limit=200)
            shop.run("recheck", payment_ids=frozenset({due.payment_id}))
            shop.run(
                "recheck",
                created_from=shop.now() - timedelta(seconds=1),
                created_until=shop.now(),
                limit=None,
            )
        assert (shop.state(due), shop.state(paid)) == ("payment_expired_and_wallet_closed", "sent_funds")
        for statement, parameters in statements.items():
            if any(part in statement for part in FROM_END_TO_END):
                continue
            plan = explained(shop, statement, parameters)
            plans += [f"{line}   in   {statement}" for line in plan.splitlines() if reads_everything(line)]
        assert len(statements) > 10
        assert not plans, "\n\n".join(plans)


def fill(shop: Shop) -> None:
    """Nine in ten were swept or closed a month ago and looked at since; the others are open and live."""
    tables, now = shop.deployment.tables, shop.now()
    long_ago, of_late = now - timedelta(days=30), now - timedelta(minutes=5)
    numbers = sa.select(sa.literal(1).label("n")).cte(recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < PAYMENTS))
    n = numbers.c.n
    is_open, is_odd = n % OPEN_ONE_IN == 0, n % 2 == 1
    time = sa.case(
        (is_open, sa.literal(of_late, tables.payment.c.created.type)),
        else_=sa.literal(long_ago, tables.payment.c.created.type),
    )
    over = sa.case(
        (is_open, sa.literal(now + timedelta(hours=10), tables.payment.c.created.type)),
        else_=sa.literal(long_ago, tables.payment.c.created.type),
    )
    status = sa.case((is_open, "initiated"), (is_odd, "expired"), else_="confirmed")
    state = sa.case((is_open, "created"), (is_odd, "payment_expired_and_wallet_closed"), else_="sent_funds")
    nothing = sa.literal({}, tables.payment.c.meta_data.type)
    rows: dict[sa.Table, dict[str, Any]] = {
        tables.wallet: {"keypair_json": sa.literal([], tables.wallet.c.keypair_json.type), "state": state},
        tables.price: {
            "amount_in_crypto": sa.literal(Decimal("0.1"), tables.price.c.amount_in_crypto.type),
            "token_id": 1,
            "meta_data": nothing,
        },
        tables.payment: {
            "payment_address": sa.literal("nobody reads this of ") + sa.cast(n, sa.String),
            "status": status,
            "expiration_date": over,
            "meta_data": nothing,
            "one_time_payment_wallet_id": n,
        },
    }
    with shop.deployment.engine.begin() as connection:
        for table, values in rows.items():
            made = {"id": n, "created": time, "updated": time, **values}
            selected = sa.select(*(sa.literal(v) if isinstance(v, int) else v for v in made.values()))
            connection.execute(sa.insert(table).from_select(list(made), selected.select_from(numbers)))
        looked_at = sa.select(n, sa.literal(now + timedelta(days=1), watch.c.next_look_at.type))
        connection.execute(
            sa.insert(watch).from_select(
                ["wallet_id", "next_look_at"], looked_at.select_from(numbers).where(~is_open)
            )
        )
        link = {tables.payment_column: n, PRICE_COLUMN: n}
        connection.execute(
            sa.insert(tables.payment_price).from_select(
                list(link), sa.select(n, n.label("price")).select_from(numbers)
            )
        )
        addresses = [
            {"row": one, "address": str(Pubkey.new_unique())}
            for one in range(OPEN_ONE_IN, OPEN_READ, OPEN_ONE_IN)
        ]
        connection.execute(
            sa.update(tables.payment)
            .where(tables.payment.c.id == sa.bindparam("row"))
            .values(payment_address=sa.bindparam("address")),
            addresses,
        )
    with shop.deployment.engine.begin() as connection:
        # Rows with ids of their own leave PostgreSQL's counters behind.
        for table in rows if connection.dialect.name == "postgresql" else ():
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ALTER id RESTART WITH {PAYMENTS + 1}")


def analyze(shop: Shop) -> None:
    with shop.deployment.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


@contextmanager
def seen_statements(shop: Shop) -> Iterator[dict[str, object]]:
    """The statements about payments and wallets, as the driver gets them, each with the first parameters it had."""
    seen: dict[str, object] = {}

    def note(
        _c: object, _cursor: object, statement: str, parameters: object, _context: object, many: bool
    ) -> None:
        if (
            not many
            and (PAYMENT_TABLE in statement or WALLET_TABLE in statement)
            and "INSERT" not in statement
        ):
            seen.setdefault(statement, parameters)

    sa.event.listen(shop.deployment.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(shop.deployment.engine, "before_cursor_execute", note)


def explained(shop: Shop, statement: str, parameters: object) -> str:
    on_sqlite = shop.deployment.engine.dialect.name == "sqlite"
    with shop.deployment.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            f"{'EXPLAIN QUERY PLAN' if on_sqlite else 'EXPLAIN'} {statement}", parameters
        ).all()
        connection.rollback()
    return "\n".join(str(row[3] if on_sqlite else row[0]) for row in rows)


def reads_everything(line: str) -> bool:
    table = f"({PAYMENT_TABLE}|{WALLET_TABLE})"
    # By rowid from 0 on is from end to end too, where the rest of a condition is checked row by row.
    patterns = (
        rf"Seq Scan on {table}\b",
        rf"^SCAN {table}\b",
        rf"^SEARCH {table} USING INTEGER PRIMARY KEY \(rowid>",
    )
    return any(re.search(pattern, line) for pattern in patterns)
