"""The live demo under Dagster's own daemon: customers pay at random, and nobody touches anything."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.demo.live import UNNOTICED
from solpay_pipeline.demo.play import play
from solpay_pipeline.demo.shop import database_url
from solpay_pipeline.demo.situations import SITUATIONS
from solpay_pipeline.ledger.tables import leg, transaction
from solpay_pipeline.lifecycle.terms import ACCEPTED
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline_tests.dagster.interface import remote
from solpay_pipeline_tests.dagster.interface.browser import browsing, picture
from solpay_pipeline_tests.dagster.interface.remote import eventually
from solpay_pipeline_tests.dagster.jobs.webserver import LOG, Webserver, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FEW = tuple(replace(one, count=1) for one in SITUATIONS if one.name in ("unpaid_live", "paid_sol", "late"))
TABLES = peer_tables()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that was played."""
    made = tmp_path_factory.mktemp("live") / "demo"
    assert play(made, 3, as_json=True, situations=FEW)
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Webserver]:
    """What `make dev` starts."""
    solpay = [sys.executable, "-c", "from solpay_pipeline.cli.app import main; main()"]
    with serving(folder, {}, by=[*solpay, "demo", "--live", "--folder", str(folder), "--"]) as made:
        yield made


@pytest.fixture
def engine(folder: Path) -> Iterator[sa.Engine]:
    opened = open_engine(database_url(folder))
    yield opened
    opened.dispose()


def told(folder: Path, words: str) -> list[tuple[datetime, int]]:
    """When which payment did this, by the lines of the live demo."""
    lines = re.findall(rf"^(\S+) payment (\d+): .*{words}$", (folder / LOG).read_text(), re.MULTILINE)
    return [(datetime.fromisoformat(at), int(payment)) for at, payment in lines]


def state(engine: sa.Engine, payment_id: int) -> tuple[str, str]:
    joined = TABLES.payment.join(
        TABLES.wallet, TABLES.wallet.c.id == TABLES.payment.c.one_time_payment_wallet_id
    )
    with reading(engine) as connection:
        found = sa.select(TABLES.payment.c.status, TABLES.wallet.c.state).select_from(joined)
        status, wallet = connection.execute(found.where(TABLES.payment.c.id == payment_id)).one()
    return status, wallet


def swept_by(engine: sa.Engine, payment_id: int) -> set[str]:
    """The runs that moved a payment's money."""
    moved = (
        sa.select(transaction.c.run_id)
        .join(leg, leg.c.transaction_id == transaction.c.id)
        .join(TABLES.payment, TABLES.payment.c.one_time_payment_wallet_id == leg.c.wallet_id)
        .where(TABLES.payment.c.id == payment_id)
    )
    with reading(engine) as connection:
        return set(connection.scalars(moved))


def recheck_of(served: Webserver, payment_id: int) -> str | None:
    for run in remote.runs(served, pipelineName="recheck_job"):
        config = yaml.safe_load(run["runConfigYaml"])["ops"]["config"]
        if payment_id in config["payment_ids"]:
            return str(run["runId"])
    return None


def ticks_until(served: Webserver, at: datetime, run: str) -> list[dict[str, Any]] | None:
    """The sensor's ticks that began after then, up to the one that asked for the run."""
    after = [one for one in remote.ticks(served, "recheck_sensor") if one["timestamp"] > at.timestamp()]
    after.sort(key=lambda tick: tick["timestamp"])
    return next((after[:number] for number, tick in enumerate(after, start=1) if run in tick["runIds"]), None)


def test_the_sensor_finds_a_live_payment_within_two_ticks(
    served: Webserver, folder: Path, engine: sa.Engine
) -> None:
    paid_at, payment = eventually(
        lambda: next(iter(told(folder, UNNOTICED)), None), 180, "an unnoticed payment"
    )
    run = eventually(lambda: recheck_of(served, payment), 180, "the sensor's request")
    # A tick is told with its runs once it is over.
    after = eventually(
        lambda: ticks_until(served, paid_at, run), 120, "the end of the tick that asked for the run"
    )
    assert len(after) <= 2, (paid_at, after)
    assert served.end_of(run) == "SUCCESS"
    assert state(engine, payment) == ("confirmed", "sent_funds")
    assert swept_by(engine, payment) == {run}


def test_the_schedule_sweeps_what_the_shop_accepts(
    served: Webserver, folder: Path, engine: sa.Engine
) -> None:
    _, payment = eventually(
        lambda: next(iter(told(folder, "and the shop accepts it")), None), 180, "an accepted payment"
    )
    eventually(lambda: state(engine, payment)[1] == "sent_funds" or None, 300, "the sweep")
    (run,) = swept_by(engine, payment)
    (found,) = remote.runs(served, runIds=[run])
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    assert tags["dagster/schedule_name"] == "maintenance_schedule"
    assert served.end_of(run) == "SUCCESS"


def test_todays_report_shows_live_payments_and_all_checks_are_green(
    served: Webserver, folder: Path, engine: sa.Engine
) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    midnight = datetime.fromisoformat(f"{today}T00:00:00+00:00")
    payment = TABLES.payment
    live = [number for _, number in told(folder, "made, for .*")]
    with reading(engine) as connection:
        accepted = connection.scalars(
            sa.select(sa.func.count())
            .select_from(payment)
            .where(
                payment.c.id >= min(live),
                payment.c.created >= midnight,
                payment.c.status.in_([status.value for status in ACCEPTED]),
            )
        ).one()
    assert served.end_of(served.launch("reports_job", partition=today)) == "SUCCESS"
    assert remote.totals(served, "settlements", today)["accepted_payments"] >= accepted
    assert remote.checks(served) == dict.fromkeys(remote.CHECK_NAMES, "SUCCEEDED")


def test_a_person_sees_it_all_run_by_itself(served: Webserver, tmp_path: Path) -> None:
    with browsing(served.port) as page:
        page.goto("/automation")
        for name in ("recheck_sensor", "maintenance_schedule", "reports_schedule"):
            page.get_by_text(name).first.wait_for()
        page.get_by_text("Every minute").first.wait_for()
        picture(page, "automation", tmp_path)
        page.goto("/runs?q[0]=status:SUCCESS")
        for job in ("recheck_job", "maintenance_job", "reports_job"):
            page.get_by_text(job).first.wait_for()
        picture(page, "live_runs", tmp_path)
