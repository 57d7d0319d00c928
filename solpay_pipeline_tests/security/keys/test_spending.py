"""What the fee payer may spend in a run and in a UTC day: counted from the ledger, checked before anything is signed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from solders.signature import Signature

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import spending, transactions
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.spending import LimitReached, SpendingLimits
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline_tests.shop import Shop, open_shop

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def limit(shop: Shop, **limits: int) -> None:
    shop.deployment = replace(shop.deployment, spending=SpendingLimits(**limits))


class Counting(SecretKeypair):
    """Counts what it signs."""

    __slots__ = ("signed",)

    async def sign_message(self, message: bytes) -> Signature:
        self.signed = getattr(self, "signed", 0) + 1
        return await super().sign_message(message)


def test_a_run_stops_moving_at_its_limit_signs_no_more_and_goes_on_with_what_costs_nothing(shop: Shop):
    fee_payer = Counting(shop.deployment.fee_payer.keypair())
    shop.deployment = replace(shop.deployment, fee_payer=fee_payer)
    # Eight wallets share a transaction of nine signatures: 45,000 lamports. The second transaction does not fit.
    customers = shop.accepted_and_paid(*[None] * 12)
    waiting = shop.new_payment()
    shop.pay_sol(waiting)
    shop.settle_chain()
    limit(shop, per_run=50_000)

    outcome = shop.run("sweep")

    assert outcome.stopped_reason == "max_spent_per_run"
    assert (outcome.transactions, fee_payer.signed) == (1, 1)
    assert outcome.fees <= 50_000
    left = [customer for customer in customers if shop.state(customer) == "processing_payment"]
    assert len(left) == 12 - outcome.swept > 0
    assert {one.code.value for one in outcome.set_aside} == {"spending_limit"}
    assert {one.wallet_id for one in outcome.set_aside} == {customer.wallet_id for customer in left}
    assert outcome.set_aside[0].explanation == (
        "not moved yet: the run's fees and rent would come to 70000 lamports; 50000 may be spent "
        "(SOLPAY_MAX_SPENT_PER_RUN)"
    )

    # A recheck of the same run accepts what was paid, and leaves it where it is.
    found = shop.run("recheck", run_id=outcome.run_id)
    assert (found.accepted, found.swept, found.transactions) == (1, 0, 0)
    assert shop.status(waiting) == "confirmed"

    # Another run has its own limit, and what was set aside is cleared.
    limit(shop, per_run=1_000_000)
    assert shop.run("sweep").stopped_reason == "done"
    assert {shop.state(customer) for customer in [*customers, waiting]} == {"sent_funds"}
    assert shop.findings() == []


def test_the_rent_of_an_account_opened_for_the_receiver_counts(shop: Shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_token(customer, mint)
    shop.settle_chain()
    limit(shop, per_day=1_000_000)

    outcome = shop.run("sweep")

    assert (outcome.stopped_reason, outcome.transactions) == ("max_spent_per_day", 0)
    assert not shop.seed.lamports(shop.ata(shop.deployment.receiver, mint))
    assert "SOLPAY_MAX_SPENT_PER_DAY" in outcome.set_aside[0].explanation

    limit(shop, per_day=3_000_000)
    done = shop.run("sweep")
    assert (done.swept, done.stopped_reason) == (1, "done")
    assert sum(row.rent_paid for row in shop.transactions()) == shop.seed.lamports(
        shop.ata(shop.deployment.receiver, mint)
    )
    limit(shop, per_day=sum(row.rent_paid + row.fee for row in shop.transactions()) + 9_999)
    shop.accepted_and_paid(*[None] * 1)
    assert shop.run("sweep").stopped_reason == "max_spent_per_day"


def entry(number: int, fee: int, rent: int = 0) -> NewTransaction:
    signature = str(Signature(bytes([number]) * 64))
    return NewTransaction(signature, b"", 1, 1, "sweep", 1, fee, (), rent)


@pytest.fixture
def engine(engine: sa.Engine) -> sa.Engine:
    from solpay_pipeline.ledger.migrations import migrate

    migrate.upgrade(engine)
    return engine


def test_what_may_still_land_counts_from_its_record_on_and_what_never_will_does_not(engine: sa.Engine):
    limits = SpendingLimits(per_run=None, per_day=1_000)
    run = RunRef("a", "sweep")
    with engine.begin() as connection:
        transactions.record_all(connection, [entry(1, 900)], run, NOON - timedelta(days=1))
        transactions.record_all(connection, [entry(2, 300, 400)], run, NOON)
        transactions.record_all(connection, [entry(3, 300)], RunRef("b", "sweep"), NOON)

    def spent_with(more: int) -> None:
        with reading(engine) as connection:
            spending.check(connection, limits, "c", NOON, more=more)

    spent_with(0)
    with pytest.raises(
        LimitReached, match=r"^the UTC day's fees and rent would come to 1001 lamports; 1000 may be spent"
    ):
        spent_with(1)

    for number, state, left in ((2, TransactionState.FAILED, 400), (3, TransactionState.DEAD, 700)):
        with engine.begin() as connection:
            transactions.close(
                connection,
                str(Signature(bytes([number]) * 64)),
                from_state=TransactionState.RECORDED,
                to_state=state,
                now=NOON,
            )
        spent_with(left)
        with pytest.raises(LimitReached):
            spent_with(left + 1)


def test_processes_that_overlap_share_the_day_to_the_last_lamport(engine: sa.Engine):
    """Eight threads, each with a connection of its own, want ten transactions each of a day that has room for 25."""
    from concurrent.futures import ThreadPoolExecutor

    limits = SpendingLimits(per_day=2_500)

    def want(worker: int) -> int:
        recorded = 0
        for turn in range(10):
            try:
                with engine.begin() as connection:
                    spending.take_turns(connection, limits)
                    transactions.record_all(
                        connection, [entry(worker * 10 + turn, 100)], RunRef(f"{worker}", "sweep"), NOON
                    )
                    spending.check(connection, limits, f"{worker}", NOON)
            except LimitReached:
                continue
            recorded += 1
        return recorded

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(want, range(8))) == 25
