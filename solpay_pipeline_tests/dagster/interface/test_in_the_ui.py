"""The operator's day in the real UI: webserver and daemon as they are started, asked by GraphQL and by a real browser."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.dagster.interface import remote
from solpay_pipeline_tests.dagster.interface.browser import browsing, picture
from solpay_pipeline_tests.dagster.jobs.webserver import Webserver, serving
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DAY = 86_400


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
    """A payment that the peer has accepted."""
    customer = shop.new_payment()
    shop.pay_sol(customer)
    assert shop.accept_payment(customer)
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
        300,
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
        lambda: True if shop.state(customer) == "sent_funds" else None, 240, "the recheck by the sensor"
    )
    remote.eventually(
        lambda: True if shop.state(accepted) == "sent_funds" else None, 300, "the sweep by the schedule"
    )
    requested = [tick for tick in remote.ticks(served, "recheck_sensor") if tick["status"] == "SUCCESS"]
    assert len(requested) == 1, "one finding, one request"
    assert any(tick["status"] == "SUCCESS" for tick in remote.ticks(served, "maintenance_schedule"))
    remote.switch_off(served, "recheck_sensor", sensor)
    remote.switch_off(served, "maintenance_schedule", schedule)


def test_a_run_that_failed_goes_on_from_its_failure(shop: Shop, served: Webserver) -> None:
    customer = sweepable(shop)
    broken = shop.node.faults.add(Fault("server_error", status=403))
    first = served.launch("maintenance_job")
    assert served.end_of(first) == "FAILURE"
    assert remote.steps(served, first)["expire"] == "FAILURE"
    shop.node.faults.remove(broken)
    second = remote.retry_from_failure(served, first)
    assert served.end_of(second) == "SUCCESS"
    assert remote.steps(served, second)["sweep"] == "SUCCESS"
    assert shop.state(customer) == "sent_funds"


def test_a_person_launches_maintenance_and_sees_reports_checks_and_a_plot(
    shop: Shop, served: Webserver, tmp_path: Path
) -> None:
    with browsing(served.port) as page:
        customer = sweepable(shop)
        page.goto("/locations/solpay/jobs/maintenance_job/playground")
        button = page.get_by_role("button").filter(has_text="Launch Run")
        button.wait_for()
        picture(page, "launchpad", tmp_path)
        button.click()
        page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
        run = re.findall(r"[0-9a-f-]{36}", page.url)[0]
        page.get_by_text("Success", exact=True).first.wait_for(timeout=240_000)
        picture(page, "maintenance_run", tmp_path)
        assert served.status(run) == "SUCCESS"
        assert shop.state(customer) == "sent_funds"

        today = f"{datetime.now(UTC):%Y-%m-%d}"
        assert served.end_of(served.launch("reports_job", partition=today)) == "SUCCESS"
        assert remote.checks(served) == dict.fromkeys(remote.CHECK_NAMES, "SUCCEEDED")
        page.goto("/assets")
        for asset in remote.CHECK_NAMES:
            page.get_by_text(asset.split(".")[0], exact=True).first.wait_for()
        page.goto("/assets/settlements?view=overview")
        page.get_by_text("[Show Markdown]").first.click()
        plot = page.locator("img[alt='settlements']")
        plot.wait_for()
        assert plot.evaluate("image => image.naturalWidth") == 560
        picture(page, "report_settlements", tmp_path)
        page.goto("/assets/settlements?view=checks")
        page.get_by_text("books_balance").first.wait_for()
        page.get_by_text("transactions compared with the chain").first.wait_for()
        picture(page, "report_checks", tmp_path)
