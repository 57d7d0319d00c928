"""The real thing: Dagster's webserver and daemon with the repository's own `dagster.yaml` and `workspace.yaml`."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.faults import Fault
from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.crashes.ground import assert_ledger_complete, assert_told_once
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

LAUNCH = """mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
STATUS = """query Status($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"""
TERMINATE = "mutation Stop($run: String!) { terminateRun(runId: $run) { __typename } }"
OVER = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Webserver:
    """GraphQL of a running Dagster."""

    port: int

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.loads(answer.read())
        assert "errors" not in found, found
        return found["data"]

    def launch(self, job: str) -> str:
        selector = {
            "repositoryLocationName": "solpay",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        answer = self.ask(LAUNCH, params={"selector": selector, "runConfigData": {}, "mode": "default"})
        assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer
        return str(answer["launchRun"]["run"]["runId"])

    def status(self, run: str) -> str:
        return str(self.ask(STATUS, run=run)["runOrError"]["status"])

    def end_of(self, run: str, seconds: float = 90) -> str:
        deadline = time.monotonic() + seconds
        while (status := self.status(run)) not in OVER:
            assert time.monotonic() < deadline, f"the run is still {status}"
            time.sleep(0.5)
        return status


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as made:
        yield made


@pytest.fixture
def webserver(shop: Shop, tmp_path: Path) -> Iterator[Webserver]:
    home = tmp_path / "dagster_home"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = (tmp_path / "dagster.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=REPOSITORY,
        env=bare_environment()
        | shop.environment()
        | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    served = Webserver(port)
    try:
        wait_for_jobs(served)
        yield served
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def wait_for_jobs(served: Webserver) -> None:
    query = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
    deadline = time.monotonic() + 120
    while True:
        try:
            (entry,) = served.ask(query)["workspaceOrError"]["locationEntries"]
            if entry == {"name": "solpay", "loadStatus": "LOADED"}:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "dagster dev did not come up"
        time.sleep(0.5)


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
