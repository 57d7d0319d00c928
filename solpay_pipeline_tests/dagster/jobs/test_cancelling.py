"""A run that is told to stop ends soon, is not retried, and loses nothing."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

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
