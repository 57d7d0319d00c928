"""The real thing: Dagster's webserver and daemon with the repository's own `dagster.yaml` and `workspace.yaml`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.dagster.jobs.webserver import TERMINATE, Webserver, serving
from solpay_pipeline_tests.failures.crashes.ground import assert_ledger_complete, assert_told_once
from solpay_pipeline_tests.shop import Customer, Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as made:
        yield made


@pytest.fixture
def webserver(shop: Shop, tmp_path: Path) -> Iterator[Webserver]:
    with serving(tmp_path, shop.environment()) as served:
        yield served


def paid(shop: Shop) -> list[Customer]:
    mint = shop.accept_mint()
    customers = [
        shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        for _ in range(4)
    ]
    for customer in customers:
        shop.pay_token(customer, mint)
    shop.settle_chain()
    return customers


@pytest.mark.slow
def test_a_run_that_is_terminated_in_the_ui_is_cancelled_and_the_next_one_from_there_succeeds(
    shop: Shop, webserver: Webserver
) -> None:
    customers = paid(shop)
    held = shop.node.faults.add(Fault("latency", methods={"getSignatureStatuses"}, seconds=5))
    first = webserver.launch("maintenance_job")
    deadline = time.monotonic() + 90
    while not shop.node.calls["getSignatureStatuses"]:
        assert time.monotonic() < deadline, webserver.status(first)
        time.sleep(0.1)
    webserver.ask(TERMINATE, run=first)
    assert webserver.end_of(first) == "CANCELED"
    shop.node.faults.remove(held)

    assert webserver.end_of(webserver.launch("maintenance_job")) == "SUCCESS"
    assert {shop.state(customer) for customer in customers} == {"sent_funds"}
    assert_ledger_complete(shop)
    assert_told_once(shop, customers, "wallet.swept")


@pytest.mark.slow
def test_the_definitions_are_clean() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        check=False,
        cwd=REPOSITORY,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "All code locations passed validation." in told
    assert "Error" not in told
    assert "BetaWarning" not in told
