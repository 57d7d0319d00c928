"""A database that fails at any commit, before it or after: nothing is ever on chain that is not in the ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.base.database_trouble import DatabaseTrouble
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.crashes.ground import our_transactions
from solpay_pipeline_tests.failures.ground import PRICE, Database, landed_for
from solpay_pipeline_tests.shop import SOL, Customer, Shop

pytestmark = pytest.mark.slow

MOST_COMMITS = 40
"""Far more than a recheck of one payment makes; the tests end with the first run that is left alone."""


@dataclass
class Commits:
    """Counts the commits of writing transactions and breaks the one whose turn it is."""

    breaks_at: int
    how: Callable[[Any, Callable[[], None]], None]
    count: int = 0
    broke: bool = False
    changes: dict[int, int] = field(default_factory=dict)

    def commit(self, connection: Any, original: Callable[[Any], None]) -> None:
        self.count += self._has_written(connection.driver_connection)
        if self.broke or self.count != self.breaks_at:
            original(connection)
            return
        self.broke = True
        self.how(connection, lambda: original(connection))

    def _has_written(self, driver: Any) -> bool:
        if isinstance(driver, psycopg.Connection):
            # Without a statement there is no transaction, and its commit never asks the server.
            return not driver.read_only and driver.info.transaction_status is not TransactionStatus.IDLE
        before = self.changes.get(id(driver), 0)
        self.changes[id(driver)] = driver.total_changes
        return bool(driver.total_changes != before)


@contextmanager
def broken_commit(
    shop: Shop, number: int, how: Callable[[Any, Callable[[], None]], None]
) -> Iterator[Commits]:
    # Connections of its own: what they have written is counted from nothing.
    shop.deployment.engine.dispose()
    dialect = shop.deployment.engine.dialect
    original = dialect.do_commit
    commits = Commits(number, how)
    dialect.do_commit = lambda connection: commits.commit(connection, original)  # type: ignore[method-assign]
    try:
        yield commits
    finally:
        dialect.do_commit = original  # type: ignore[method-assign]


def _lost_before(connection: Any, _commit: Callable[[], None]) -> None:
    """A failover: the server's side of the connection dies before it has committed."""
    driver = connection.driver_connection
    if isinstance(driver, psycopg.Connection):
        with psycopg.connect(driver.info.dsn, password=driver.info.password, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [driver.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            _commit()
        raise OperationalError("COMMIT", None, Exception("terminating connection"))
    connection.rollback()
    raise OperationalError("COMMIT", None, Exception("disk I/O error"))


def _lost_after(_connection: Any, commit: Callable[[], None]) -> None:
    """The server has committed, and its answer is lost."""
    commit()
    raise OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))


def _not_serializable(connection: Any, _commit: Callable[[], None]) -> None:
    connection.rollback()
    error = psycopg.errors.SerializationFailure("could not serialize access due to concurrent update")
    raise OperationalError("COMMIT", None, error)


@pytest.mark.parametrize("how", [_lost_before, _lost_after, _not_serializable])
def test_f21_whichever_commit_fails_nothing_leaves_that_is_not_written_down(
    database: Database, how: Callable[[Any, Callable[[], None]], None]
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        customers: list[Customer] = []
        for number in range(1, MOST_COMMITS):
            customer = shop.new_payment()
            customers.append(customer)
            shop.pay_sol(customer)
            shop.settle_chain()
            with broken_commit(shop, number, how) as commits:
                try:
                    shop.run("recheck", patience_seconds=2.0)
                except DatabaseTrouble:
                    assert commits.broke
            _assert_written_down(shop)
            shop.run("recheck")
            shop.run("sweep")
            assert len(landed_for(shop, customer)) == 1, f"commit {number}"
            assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"], f"commit {number}"
            assert shop.received() == SOL + number * SOL // 10
            if not commits.broke:
                break
        assert number > 4, "accepting, recording, applying, marking: each has a commit of its own"
        assert not commits.broke
        assert_all_is_well(shop, customers)


def _assert_written_down(shop: Shop) -> None:
    on_chain = {record.signature for record in our_transactions(shop)}
    assert on_chain <= {row.signature for row in shop.transactions()}


def test_f21_a_pool_without_a_connection_left_stops_the_run_before_anything_leaves(
    database: Database,
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customers = shop.accepted_and_paid(None, mint)
        pool = {"pool_size": 1, "max_overflow": 0, "timeout": 0.3}
        whole = shop.deployment
        small = open_engine(shop.database_url)
        small.pool = type(small.pool)(small.pool._creator, **pool)  # type: ignore[attr-defined, arg-type]
        shop.deployment = replace(whole, engine=small)
        with small.connect(), pytest.raises(PoolTimeout):
            shop.run("sweep")
        assert our_transactions(shop) == []
        assert shop.node.calls["sendTransaction"] == 0
        assert [shop.state(one) for one in customers] == ["processing_payment"] * 2

        shop.run("sweep")
        small.dispose()
        shop.deployment = whole
        assert (shop.received(), shop.received(mint)) == (SOL + SOL // 10, PRICE)
        assert_all_is_well(shop, customers)
