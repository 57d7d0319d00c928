"""Expire, reclaim and recheck, killed where it hurts most, are finished by a plain run of themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.command_line.warm import Death, Warm
from solpay_pipeline_tests.failures.crashes.ground import (
    assert_ledger_complete,
    assert_told_once,
    everybody,
    lamports_of,
    moved_by_ledger,
    our_transactions,
)
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

pytestmark = pytest.mark.slow

HOME = "solpay_pipeline.operations"
RPC = "solpay_pipeline.chain.rpc.client:Rpc"
WALLETS = 6

EXPIRE_MOMENTS = {
    "in the middle of expiring": Death(f"{HOME}.changes.written_books:outbox.append", "after"),
    "with all expired and no account closed": Death(f"{HOME}.reclaim:reconcile", "before"),
    "with the closing recorded and not sent": Death(f"{RPC}.send", "before"),
    "with the accounts closed and nothing seen": Death(f"{RPC}.statuses", "before"),
    "with the closing applied and no wallet marked": Death(
        f"{HOME}.changes.written_journal:WrittenJournal.close", "after"
    ),
    "in the middle of marking": Death(f"{HOME}.changes.written_books:outbox.append", "after", 2),
}

RECLAIM_MOMENTS = {
    "with everything planned": Death(f"{HOME}.moving.execution:submit", "before"),
    "with the accounts closed and nothing seen": Death(f"{RPC}.send", "after"),
    "in the middle of applying": Death(f"{HOME}.changes.written_journal:transactions.close_landed", "after"),
    "with the proof read and no wallet marked": Death(
        f"{HOME}.changes.written_books:transactions.landed_movements", "after"
    ),
}

RECHECK_MOMENTS = {
    "in the middle of accepting": Death(f"{HOME}.changes.written_books:outbox.append", "after", 2),
    "with all accepted and nothing forwarded": Death(f"{HOME}.sweep:Sweeper.sweep", "before"),
    "with the forwarding recorded and not sent": Death(f"{RPC}.send", "before", 2),
    "with the money on its way": Death(f"{RPC}.statuses", "before", 2),
    "with the money home and no wallet marked": Death(f"{HOME}.moving.reconcile:_reloaded", "before"),
}


@contextmanager
def shop_with_customers(folder: Path, **payment: object) -> Iterator[tuple[Shop, list[Customer]]]:
    with open_shop(folder) as shop:
        shop.accept_mint()
        shop.accept_mint()
        yield shop, [shop.new_payment(**payment) for _ in range(WALLETS)]  # type: ignore[arg-type]


def assert_closed(shop: Shop, customers: list[Customer], before: int) -> None:
    """Every account is gone, and every lamport of rent is with the fee payer, less the fees."""
    for customer in customers:
        assert shop.state(customer) == "payment_expired_and_wallet_closed"
        assert lamports_of(shop, [customer.address]) == 0
    fees = sum(record.executed.fee for record in our_transactions(shop))
    assert lamports_of(shop, everybody(shop, customers)) == before - fees
    assert set(moved_by_ledger(shop)) == {("rent", None, str(shop.deployment.fee_payer.pubkey))}
    assert_ledger_complete(shop)


@pytest.mark.parametrize("moment", EXPIRE_MOMENTS)
def test_an_expire_that_was_killed_is_finished_by_a_plain_one(
    warm: Warm, tmp_path: Path, moment: str
) -> None:
    with shop_with_customers(tmp_path) as (shop, customers):
        shop.wait(hours=1)
        before = lamports_of(shop, everybody(shop, customers))
        assert warm.run(shop.environment(), "expire", death=EXPIRE_MOMENTS[moment]).was_killed
        assert warm.run(shop.environment(), "expire").returncode == 0
        # What a killed expire had expired already is closed by the next reclaim, as in regular maintenance.
        assert warm.run(shop.environment(), "reclaim").returncode == 0
        assert {shop.status(customer) for customer in customers} == {"expired"}
        assert_closed(shop, customers, before)
        assert_told_once(shop, customers, "payment.expired", "wallet.closed")


@pytest.mark.parametrize("moment", RECLAIM_MOMENTS)
def test_a_reclaim_that_was_killed_is_finished_by_a_plain_one(
    warm: Warm, tmp_path: Path, moment: str
) -> None:
    expired = {"status": PaymentStatus.EXPIRED, "state": WalletState.PAYMENT_EXPIRED}
    with shop_with_customers(tmp_path, **expired) as (shop, customers):
        shop.wait(hours=1)
        before = lamports_of(shop, everybody(shop, customers))
        assert warm.run(shop.environment(), "reclaim", death=RECLAIM_MOMENTS[moment]).was_killed
        assert warm.run(shop.environment(), "reclaim").returncode == 0
        assert_closed(shop, customers, before)
        assert_told_once(shop, customers, "wallet.closed")


@pytest.mark.parametrize("moment", RECHECK_MOMENTS)
def test_a_recheck_that_was_killed_is_finished_by_plain_runs(warm: Warm, tmp_path: Path, moment: str) -> None:
    with shop_with_customers(tmp_path) as (shop, customers):
        mint = shop.mints[0]
        for customer in customers:
            shop.pay_token(customer, mint)
        shop.settle_chain()
        before = lamports_of(shop, everybody(shop, customers))
        assert warm.run(shop.environment(), "recheck", death=RECHECK_MOMENTS[moment]).was_killed
        assert warm.run(shop.environment(), "recheck").returncode == 0
        # What the killed one had accepted is no recheck's work any more, but the next sweep's.
        assert warm.run(shop.environment(), "sweep").returncode == 0
        for customer in customers:
            row = shop.payment_row(customer)
            assert (row.status, row.paid_token_id) == ("confirmed", shop.tokens[mint].row_id)
            assert shop.state(customer) == "sent_funds"
        assert shop.received(mint) == WALLETS * 5_000_000
        assert shop.received() == SOL
        fees = sum(record.executed.fee for record in our_transactions(shop))
        assert lamports_of(shop, everybody(shop, customers)) == before - fees
        assert_ledger_complete(shop)
        assert_told_once(shop, customers, "payment.accepted", "wallet.swept")
