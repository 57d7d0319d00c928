"""A backfill from a shell after an outage: thirty days, three of them missed by everybody."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAYS = 30
OUTAGE = (11, 12, 13)
"""Days on which nobody noticed anything; all other payments were accepted as they came."""

# The command's own process makes the runs, one after the other: sixty processes would only start Python sixty times.
INSTANCE = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
run_launcher: {module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}
"""


@pytest.fixture
def month(tmp_path: Path) -> Iterator[tuple[Shop, dict[str, list[Customer]]]]:
    """Two customers a day, one by token and one in SOL, both paying in time."""
    config = ChainConfig(slot_seconds=0.02, genesis_time=int(time.time()) - DAYS * 86_400)
    with open_shop(tmp_path, config=config) as shop:
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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "dagster_home"
    made.mkdir()
    (made / "dagster.yaml").write_text(INSTANCE)
    return made


def forget(shop: Shop, customers: list[Customer]) -> None:
    """The peer's own expire went by the clock, without a look at the chain."""
    for customer in customers:
        shop.set_status(customer, PaymentStatus.EXPIRED)
        shop.set_state(customer, WalletState.PAYMENT_EXPIRED)


def backfill(shop: Shop, home: Path, first: str, last: str) -> list[tuple[str, bool]]:
    """The days that a backfill from a shell ran, in order, and whether they went well."""
    command = ["job", "backfill", "-w", "workspace.yaml", "-j", "recheck_job", "--noprompt"]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        before = {run.run_id for run in instance.get_runs()}
        done = subprocess.run(
            [sys.executable, "-m", "dagster", *command, "--from", first, "--to", last],
            cwd=REPOSITORY,
            env=bare_environment()
            | shop.environment()
            | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Launched backfill job" in done.stdout
        runs = [run for run in instance.get_runs() if run.run_id not in before]
    return sorted((run.tags["dagster/partition"], run.is_success) for run in runs)


def accepted(shop: Shop) -> list[int]:
    """Payments that were accepted by us, in order."""
    return [event.payment_id for event in shop.events() if event.kind == EventKind.PAYMENT_ACCEPTED]


def test_a_backfill_of_thirty_days_finds_every_missed_payment_and_a_second_one_none(
    month: tuple[Shop, dict[str, list[Customer]]], home: Path
) -> None:
    shop, days = month
    keys = sorted(days)
    assert len(keys) == DAYS
    missed = [customer for index in OUTAGE for customer in days[keys[index]]]
    assert {shop.status(customer) for customer in missed} == {"initiated"}
    forget(shop, days[keys[OUTAGE[0]]])
    before = accepted(shop)

    assert backfill(shop, home, keys[0], keys[-1]) == [(key, True) for key in keys]
    assert sorted(accepted(shop)[len(before) :]) == sorted(one.payment_id for one in missed)
    everybody = [customer for customers in days.values() for customer in customers]
    assert {(shop.status(one), shop.state(one)) for one in everybody} == {("confirmed", "sent_funds")}

    table = shop.deployment.tables.payment
    with shop.deployment.engine.connect() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.id)).all()
    sent, told = len(shop.transactions()), len(shop.events())
    assert backfill(shop, home, keys[0], keys[-1]) == [(key, True) for key in keys]
    with shop.deployment.engine.connect() as connection:
        assert connection.execute(sa.select(table).order_by(table.c.id)).all() == rows
    assert (len(shop.transactions()), len(shop.events())) == (sent, told)
