"""The operator's day in the real UI: webserver and daemon as they are started, asked by GraphQL and by a real browser."""

import os
import time
from collections.abc import Iterator

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.engine import ChainConfig
from solpay_pipeline.localnet.faults import Fault
from solpay_pipeline_tests.interface import remote
from solpay_pipeline_tests.pipeline.webserver import TERMINATE, Webserver, serving
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DAY = 86_400

# Set it to docs/images to make the pictures of the runbook anew.
PICTURES = os.environ.get("SOLPAY_TEST_PICTURES")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Open since two days ago; slots are as long as a browser's patience allows."""
    config = ChainConfig(slot_seconds=0.05, genesis_time=int(time.time()) - 2 * DAY)
    with open_shop(tmp_path_factory.mktemp("shop"), config=config) as made:
        made.accept_sol()
        made.accept_mint()
        yield made


@pytest.fixture(scope="module")
def missed(shop: Shop) -> list[tuple[str, Customer]]:
    """A paid and unnoticed payment of the day before yesterday, and one of yesterday; the chain has come to today."""
    found = []
    for _ in range(2):
        customer = shop.new_payment()
        shop.pay_sol(customer)
        shop.settle_chain()
        found.append((f"{shop.payment_row(customer).created:%Y-%m-%d}", customer))
        shop.wait(days=1)
    return found


@pytest.fixture(scope="module")
def served(
    shop: Shop, missed: list[tuple[str, Customer]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Webserver]:
    assert missed
    hurried = {"SOLPAY_RECHECK_INTERVAL": "5", "SOLPAY_MAINTENANCE_CRON": "* * * * *"}
    with serving(tmp_path_factory.mktemp("dagster"), shop.environment() | hurried) as made:
        yield made


def sweepable(shop: Shop) -> Customer:
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_sol(customer)
    shop.settle_chain()
    return customer


def test_a_backfill_finds_what_was_missed_and_days_that_never_ran_show_as_missing(
    shop: Shop, served: Webserver, missed: list[tuple[str, Customer]]
) -> None:
    days = [day for day, _ in missed]
    before = remote.days_of_recheck(served)
    assert {before[day] for day in days} == {None}
    backfill = remote.backfill(served, days)
    remote.eventually(
        lambda: True if all(remote.days_of_recheck(served)[day] == "SUCCESS" for day in days) else None,
        120,
        "the backfill",
    )
    assert {(shop.status(one), shop.state(one)) for _, one in missed} == {("confirmed", "sent_funds")}
    after = remote.days_of_recheck(served)
    assert {day for day, status in after.items() if status is not None} == set(days)
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in remote.runs(served)]
    assert [one["dagster/backfill"] for one in tags if "dagster/backfill" in one] == [backfill, backfill]


def test_a_sensor_and_a_schedule_that_are_switched_on_bring_new_payments_home(
    shop: Shop, served: Webserver
) -> None:
    sensor, schedule = (remote.switch_on(served, name) for name in ("recheck_sensor", "maintenance_schedule"))
    customer, accepted = shop.new_payment(), sweepable(shop)
    shop.pay_sol(customer)
    shop.settle_chain()
    remote.eventually(
        lambda: True if shop.state(customer) == "sent_funds" else None, 90, "the recheck by the sensor"
    )
    remote.eventually(
        lambda: True if shop.state(accepted) == "sent_funds" else None, 120, "the sweep by the schedule"
    )
    requested = [tick for tick in remote.ticks(served, "recheck_sensor") if tick["status"] == "SUCCESS"]
    assert len(requested) == 1, "one finding, one request"
    assert any(tick["status"] == "SUCCESS" for tick in remote.ticks(served, "maintenance_schedule"))
    remote.switch_off(served, "recheck_sensor", sensor)
    remote.switch_off(served, "maintenance_schedule", schedule)


def test_a_run_that_failed_goes_on_from_its_failure(shop: Shop, served: Webserver) -> None:
    customer = sweepable(shop)
    refusal = Fault("rpc_error", methods={"getFeeForMessage", "sendTransaction"}, code=-32602, message="no")
    broken = shop.node.faults.add(refusal)
    first = served.launch("maintenance_job")
    assert served.end_of(first) == "FAILURE"
    assert remote.steps(served, first)["expire"] == "SUCCESS"
    assert remote.steps(served, first)["sweep"] == "FAILURE"
    shop.node.faults.remove(broken)
    second = remote.retry_from_failure(served, first)
    assert served.end_of(second) == "SUCCESS"
    assert "expire" not in remote.steps(served, second)
    assert shop.state(customer) == "sent_funds"


def test_a_run_that_is_cancelled_ends_as_cancelled(shop: Shop, served: Webserver) -> None:
    customer = sweepable(shop)
    slow = shop.node.faults.add(Fault("latency", methods={"getSignatureStatuses"}, seconds=5))
    before = shop.node.calls["getSignatureStatuses"]
    run = served.launch("sweep_job")
    remote.eventually(
        lambda: True if shop.node.calls["getSignatureStatuses"] > before else None, 60, "the first send"
    )
    served.ask(TERMINATE, run=run)
    assert served.end_of(run) == "CANCELED"
    shop.node.faults.remove(slow)
    assert served.end_of(served.launch("sweep_job")) == "SUCCESS"
    assert shop.state(customer) == "sent_funds"
