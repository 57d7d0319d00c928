"""Webserver, daemon and code location as processes of their own without a key, and a command that starts run workers
with one."""

import importlib.util
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.dagster.jobs.webserver import Webserver, wait_for_jobs
from solpay_pipeline_tests.security.roles.ground import Role, environment_of
from solpay_pipeline_tests.shop import Shop

START_WORKER = """#!/bin/sh
set -a
. {keys}
set +a
cd {repository}
nohup setsid {python} -m solpay_pipeline.contrib.run_workers "$1" >> {log} 2>&1 < /dev/null &
worker=$!
# Until it has become another program it shows the environment that this script was started with.
while [ "$(readlink /proc/$worker/exe)" = "$(readlink /proc/$$/exe)" ]; do sleep 0.05; done
cut -z -d= -f1 /proc/$worker/environ | tr '\\0' '\\n' > {names}
echo $worker > {folder}/worker-"$1".pid
"""


@dataclass(frozen=True)
class Deployment:
    """Three processes without keys, by name, and GraphQL of the webserver."""

    folder: Path
    processes: dict[str, "subprocess.Popen[bytes]"]
    served: Webserver

    def environments(self) -> dict[str, bytes]:
        """What each of the processes holds, those that they started too, by name and id."""
        return {
            f"{name} {pid}": Path(f"/proc/{pid}/environ").read_bytes()
            for name, process in self.processes.items()
            for pid in _with_children(process.pid)
        }

    def log(self) -> str:
        return "\n".join(file.read_text() for file in sorted(self.folder.glob("*.log")))


@contextmanager
def deployed(shop: Shop, folder: Path, instance_url: str | None, **settings: str) -> Iterator[Deployment]:
    """`instance_url` is a PostgreSQL database for Dagster's own records; files where there is none."""
    keyless = environment_of(shop, Role.OPERATE) | settings
    home = _home(shop, folder, keyless, instance_url)
    common = bare_environment() | keyless | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    grpc, http = _free_port(), _free_port()
    workspace = folder / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": grpc, "location_name": "solpay"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    commands = {
        "code": [
            "dagster",
            "api",
            "grpc",
            "-m",
            "solpay_pipeline.definitions",
            "-h",
            "127.0.0.1",
            "-p",
            str(grpc),
        ],
        "web": ["dagster_webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(http)],
        "daemon": ["dagster._daemon", "run", "-w", str(workspace)],
    }
    # Processes that make the instance's tables at the same moment leave files that nobody can use.
    make_storage = "import dagster; dagster.DagsterInstance.get()"
    subprocess.run([sys.executable, "-c", make_storage], env=common, check=True, timeout=120)
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(_running(folder / f"{name}.log", command, common))
            for name, command in commands.items()
        }
        served = Webserver(http)
        wait_for_jobs(served, processes["web"])
        yield Deployment(folder, processes, served)


def eventually(is_so: Callable[[], bool], seconds: float, told: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, told()
        time.sleep(0.5)


def has_postgres_instances() -> bool:
    """Whether Dagster can keep its records in PostgreSQL here."""
    return importlib.util.find_spec("dagster_postgres") is not None


def _home(shop: Shop, folder: Path, keyless: dict[str, str], instance_url: str | None) -> Path:
    home = folder / "dagster_home"
    home.mkdir()
    keys = folder / "keys.env"
    every = shop.environment()
    keys.write_text("".join(f"{name}={shlex.quote(every[name])}\n" for name in every.keys() - keyless.keys()))
    keys.chmod(0o600)
    script = folder / "start-worker"
    script.write_text(
        START_WORKER.format(
            keys=keys,
            repository=REPOSITORY,
            python=sys.executable,
            log=folder / "worker.log",
            names=folder / "worker-names",
            folder=folder,
        )
    )
    script.chmod(0o700)
    instance: dict[str, Any] = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    instance["run_launcher"] = {
        "module": "solpay_pipeline.contrib.run_workers.launcher",
        "class": "CommandRunLauncher",
        "config": {"start": [str(script), "{run_id}"]},
    }
    if instance_url is not None:
        parts = urlsplit(instance_url)
        # Not postgresql://, which means psycopg 3 to SQLAlchemy 2.1; dagster-postgres speaks psycopg 2.
        url = parts._replace(scheme="postgresql+psycopg2").geturl()
        instance["storage"] = {"postgres": {"postgres_url": url}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    return home


@contextmanager
def _running(
    log: Path, command: Sequence[str], environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=REPOSITORY,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
