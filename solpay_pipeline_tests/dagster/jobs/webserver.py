"""Dagster's webserver and daemon as processes of their own, with the repository's `dagster.yaml` and `workspace.yaml`."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment

LAUNCH = """mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
STATUS = """query Status($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"""
TERMINATE = "mutation Stop($run: String!) { terminateRun(runId: $run) { __typename } }"
LOG = "dagster.log"
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

    def launch(self, job: str, partition: str | None = None) -> str:
        selector = {
            "repositoryLocationName": "solpay",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        params: dict[str, Any] = {"selector": selector, "runConfigData": {}, "mode": "default"}
        if partition is not None:
            params["executionMetadata"] = {"tags": [{"key": "dagster/partition", "value": partition}]}
        answer = self.ask(LAUNCH, params=params)
        assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer
        return str(answer["launchRun"]["run"]["runId"])

    def status(self, run: str) -> str:
        return str(self.ask(STATUS, run=run)["runOrError"]["status"])

    def end_of(self, run: str, seconds: float = 240) -> str:
        deadline = time.monotonic() + seconds
        while (status := self.status(run)) not in OVER:
            assert time.monotonic() < deadline, f"the run is still {status}"
            time.sleep(0.5)
        return status


@contextmanager
def serving(folder: Path, settings: Mapping[str, str], *, by: Sequence[str] = ()) -> Iterator[Webserver]:
    """`dagster dev` with these settings, its home and its log in `folder`; `by` is a command that it is run by.

    In the end both hear Ctrl-C, as from a terminal.
    """
    home = folder / "dagster_home"
    home.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        "workspace.yaml",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    environment = bare_environment() | dict(settings)
    with (folder / LOG).open("w") as log:
        process = subprocess.Popen(
            [*by, *command],
            cwd=REPOSITORY,
            env=environment | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            served = Webserver(port)
            wait_for_jobs(served, process)
            yield served
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_jobs(served: Webserver, process: "subprocess.Popen[bytes]") -> None:
    query = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
    deadline = time.monotonic() + 240
    while True:
        try:
            (entry,) = served.ask(query)["workspaceOrError"]["locationEntries"]
            if entry == {"name": "solpay", "loadStatus": "LOADED"}:
                return
        except OSError:
            pass
        assert process.poll() is None, "dagster dev has ended"
        assert time.monotonic() < deadline, "dagster dev did not come up"
        time.sleep(0.5)
