"""A backfill after an outage: thirty days, three of them missed by everybody."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.engine import ChainConfig
from solpay_pipeline_tests.pipeline.conftest import Launch, instance, launch, settle_in
from solpay_pipeline_tests.pipeline.reading import metadata_of
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

__all__ = ["instance", "launch"]

DAYS = 30
OUTAGE = (11, 12, 13)
"""Days on which nobody noticed anything; all other payments were accepted as they came."""


@pytest.fixture
def month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Shop, dict[str, list[Customer]]]]:
    """Two customers a day, one by token and one in SOL, both paying in time."""
    config = ChainConfig(slot_seconds=0.02, genesis_time=int(time.time()) - DAYS * 86_400)
    with open_shop(tmp_path, config=config) as shop:
        settle_in(shop, monkeypatch)
        shop.accept_sol()
        mint = shop.accept_mint()
        days: dict[str, list[Customer]] = {}
        for _ in range(DAYS):
            by_token, by_sol = shop.new_payment(), shop.new_payment()
            shop.pay_token(by_token, mint)
            shop.pay_sol(by_sol)
            shop.settle_chain()
            days[f"{shop.payment_row(by_token).created:%Y-%m-%d}"] = [by_token, by_sol]
            shop.wait(days=1)
        noticed = [one for day in range(DAYS) if day not in OUTAGE for one in days[sorted(days)[day]]]
        shop.run("recheck", payment_ids=frozenset(one.payment_id for one in noticed))
        yield shop, days


def forget(shop: Shop, customers: list[Customer]) -> None:
    """The peer's own expire went by the clock, without a look at the chain."""
    for customer in customers:
        shop.set_status(customer, PaymentStatus.EXPIRED)
        shop.set_state(customer, WalletState.PAYMENT_EXPIRED)


@pytest.mark.slow
def test_a_backfill_of_thirty_days_finds_every_missed_payment_and_a_second_one_none(
    month: tuple[Shop, dict[str, list[Customer]]], launch: Launch
) -> None:
    shop, days = month
    keys = sorted(days)
    assert len(keys) == DAYS
    missed = [customer for index in OUTAGE for customer in days[keys[index]]]
    assert {shop.status(customer) for customer in missed} == {"initiated"}
    forget(shop, days[keys[OUTAGE[0]]])

    def backfill() -> dict[str, int]:
        results = {key: launch("recheck_job", partition=key) for key in keys}
        assert all(result.success for result in results.values())
        return {key: metadata_of(result, "recheck")["accepted"] for key, result in results.items()}

    assert {key: count for key, count in backfill().items() if count} == {keys[index]: 2 for index in OUTAGE}
    everybody = [customer for customers in days.values() for customer in customers]
    assert {(shop.status(one), shop.state(one)) for one in everybody} == {("confirmed", "sent_funds")}

    table = shop.merchant.tables.payment
    with shop.merchant.engine.connect() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.id)).all()
    sent = len(shop.transactions())
    assert not any(backfill().values())
    with shop.merchant.engine.connect() as connection:
        assert connection.execute(sa.select(table).order_by(table.c.id)).all() == rows
    assert len(shop.transactions()) == sent
