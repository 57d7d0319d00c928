"""Recheck by the UTC day on which payments were created, as a backfill after an outage runs it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from solpay_pipeline.defs.jobs import by_day
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline_tests.dagster.jobs.conftest import Launch, settle_in
from solpay_pipeline_tests.dagster.jobs.reading import metadata_of
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

DAY = 86_400


@pytest.fixture
def two_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Shop, tuple[str, Customer], tuple[str, Customer]]]:
    """A shop that has been open since yesterday, with a paid payment of each day that nobody noticed."""
    config = ChainConfig(slot_seconds=0.02, genesis_time=int(time.time()) - DAY)
    with open_shop(tmp_path, config=config) as shop:
        settle_in(shop, monkeypatch)
        mint = shop.accept_mint()
        days = []
        for _ in range(2):
            customer = shop.new_payment()
            shop.pay_token(customer, mint)
            days.append((f"{shop.payment_row(customer).created:%Y-%m-%d}", customer))
            if len(days) == 1:
                shop.wait(days=1)
        shop.settle_chain()
        yield shop, days[0], days[1]


def test_a_partition_takes_the_payments_of_its_day_and_no_others(
    two_days: tuple[Shop, tuple[str, Customer], tuple[str, Customer]], launch: Launch
) -> None:
    shop, (yesterday, old), (_, new) = two_days
    result = launch("recheck_job", partition=yesterday)
    assert result.success
    assert metadata_of(result, "recheck")["accepted"] == 1
    assert (shop.status(old), shop.state(old)) == ("confirmed", "sent_funds")
    assert (shop.status(new), shop.state(new)) == ("initiated", "created")


def test_a_backfill_of_both_days_finds_both_and_a_second_one_nothing(
    two_days: tuple[Shop, tuple[str, Customer], tuple[str, Customer]], launch: Launch
) -> None:
    shop, (yesterday, old), (today, new) = two_days
    found = [
        metadata_of(launch("recheck_job", partition=day), "recheck")["accepted"]
        for day in (yesterday, today, yesterday, today)
    ]
    assert found == [1, 1, 0, 0]
    assert shop.state(old) == shop.state(new) == "sent_funds"
    assert len(shop.transactions()) == 3


def test_a_partition_finds_a_payment_that_expired_though_it_was_paid_in_time(
    two_days: tuple[Shop, tuple[str, Customer], tuple[str, Customer]], launch: Launch
) -> None:
    shop, (yesterday, old), _ = two_days
    shop.set_status(old, PaymentStatus.EXPIRED)
    shop.set_state(old, WalletState.PAYMENT_EXPIRED)
    assert launch("recheck_job", partition=yesterday).success
    assert (shop.status(old), shop.state(old)) == ("confirmed", "sent_funds")


def test_a_day_is_looked_at_whole_whatever_the_limit(
    two_days: tuple[Shop, tuple[str, Customer], tuple[str, Customer]], launch: Launch
) -> None:
    shop, _, (today, new) = two_days
    other = shop.new_payment()
    result = launch("recheck_job", partition=today, limit=1, forward_funds=False)
    assert metadata_of(result, "recheck")["looked_at"] == 2
    assert (shop.status(new), shop.status(other)) == ("confirmed", "initiated")


def test_recheck_runs_without_a_partition_too(
    two_days: tuple[Shop, tuple[str, Customer], tuple[str, Customer]], launch: Launch
) -> None:
    shop, _, (_, new) = two_days
    result = launch("recheck_job", forward_funds=False)
    assert metadata_of(result, "recheck")["looked_at"] == 2
    assert (shop.status(new), shop.state(new)) == ("confirmed", "processing_payment")


def test_today_is_a_partition_and_tomorrow_is_not() -> None:
    now = datetime.now(UTC)
    keys = by_day.get_partition_keys(current_time=now)
    assert f"{now:%Y-%m-%d}" in keys
    assert f"{now + timedelta(days=1):%Y-%m-%d}" not in keys


def test_a_day_that_is_no_partition_is_refused(
    two_days: tuple[Shop, tuple[str, Customer], tuple[str, Customer]], launch: Launch
) -> None:
    with pytest.raises(dg.DagsterUnknownPartitionError):
        launch("recheck_job", partition="2024-12-31")
