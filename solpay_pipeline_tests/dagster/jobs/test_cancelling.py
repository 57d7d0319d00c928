"""A run that is told to stop ends soon, is not retried, and loses nothing."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from solpay_pipeline.defs.failures import STOPPED
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.command_line.warm import REPOSITORY, SOLPAY, bare_environment, solpay
from solpay_pipeline_tests.failures.crashes.ground import assert_ledger_complete, assert_told_once
from solpay_pipeline_tests.shop import open_shop


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "sent"),
    [("getMultipleAccounts", 0), ("sendTransaction", 1), ("getSignatureStatuses", 3)],
    ids=["while it reads", "while it sends", "while it waits for a confirmation"],
)
def test_an_interrupted_sweep_ends_at_once_without_a_retry_and_the_next_one_finishes_it(
    tmp_path: Path, method: str, sent: int
) -> None:
    home = tmp_path / "dagster_home"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    with open_shop(tmp_path) as shop:
        mint = shop.accept_mint()
        customers = [
            shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
            for _ in range(8)
        ]
        for customer in customers:
            shop.pay_token(customer, mint)
        shop.settle_chain()
        environment = shop.environment() | {"DAGSTER_HOME": str(home)}

        held = shop.node.faults.add(Fault("latency", methods={method}, seconds=1.5))
        process = subprocess.Popen(
            [*SOLPAY, "sweep"],
            cwd=REPOSITORY,
            env=bare_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until(lambda: shop.node.calls[method] > 0 and shop.node.calls["sendTransaction"] >= sent)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        shop.node.faults.remove(held)

        assert process.returncode == 1
        assert "stopped on request" in complaint
        assert "Traceback" not in complaint
        assert_was_not_retried(home)
        assert solpay(environment, "sweep").returncode == 0
        assert {shop.state(customer) for customer in customers} == {"sent_funds"}
        assert shop.received(mint) == 40_000_000
        assert_ledger_complete(shop)
        assert_told_once(shop, customers, "wallet.swept")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_wait_is_told_while_it_lasts_and_ends_within_two_seconds_of_any_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.node.faults.add(Fault("rate_limit", retry_after=25))
        process = started(shop.environment(), "maintain", "--json")
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            assert told.startswith(f"expire: waiting 25 s: {shop.node.url}")
            assert "429" in told
            asked = time.monotonic()
            process.send_signal(number)
            shown, complaint = process.communicate(timeout=20)
            assert time.monotonic() - asked < 2
        finally:
            process.kill()
            process.wait()
        assert (process.returncode, shown) == (1, "")
        assert complaint.count("\n") == 1
        assert "stopped on request" in complaint


@pytest.mark.slow
@pytest.mark.postgres
def test_a_wait_for_a_locked_table_ends_within_two_seconds_of_a_signal(
    tmp_path: Path, postgres_url: str
) -> None:
    with open_shop(tmp_path, database_url=postgres_url) as shop, psycopg.connect(postgres_url) as other:
        shop.accept_sol()
        shop.accepted_and_paid(None)
        other.execute("LOCK TABLE solpay_transaction IN ACCESS EXCLUSIVE MODE")
        process = started(shop.environment(), "sweep")
        try:
            wait_until(lambda: is_waiting_for_a_lock(postgres_url))
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, complaint = process.communicate(timeout=20)
            assert time.monotonic() - asked < 2
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 1
        assert complaint == f"sweep: {STOPPED}\n"


@pytest.mark.slow
def test_a_wait_for_the_lock_of_an_sqlite_file_ends_within_two_seconds_of_a_signal(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.accepted_and_paid(None)
        with shop.engine.begin():
            process = started(shop.environment(), "sweep")
            try:
                assert process.stderr is not None
                assert "holds the lock of the database" in process.stderr.readline()
                asked = time.monotonic()
                process.send_signal(signal.SIGHUP)
                _, complaint = process.communicate(timeout=20)
                assert time.monotonic() - asked < 2
            finally:
                process.kill()
                process.wait()
        assert process.returncode == 1
        assert complaint == f"sweep: {STOPPED}\n"


def started(environment: Mapping[str, str], *args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*SOLPAY, *args],
        cwd=REPOSITORY,
        env=bare_environment() | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_waiting_for_a_lock(url: str) -> bool:
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'solpay' AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url) as connection:
        found = connection.execute(waits).fetchone()
    return found is not None and found[0] > 0


def assert_was_not_retried(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        assert run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        kinds = {
            record.event_log_entry.dagster_event_type
            for record in instance.get_records_for_run(run.run_id).records
        }
        assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds
        assert dg.DagsterEventType.STEP_FAILURE in kinds
