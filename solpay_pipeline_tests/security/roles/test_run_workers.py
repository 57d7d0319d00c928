"""Run workers that are started by commands: no id of a run becomes an option, no row of a run becomes code."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.code_pointer import FileCodePointer
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin

from solpay_pipeline.contrib.run_workers.__main__ import NoSuchRun, execute
from solpay_pipeline.contrib.run_workers.commands import BadRunId, CommandRefused, do
from solpay_pipeline.contrib.run_workers.launcher import CommandRunLauncher
from solpay_pipeline.definitions import defs
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET, settle_in
from solpay_pipeline_tests.shop import Shop, open_shop

BY_PYTHON = [sys.executable, "-c"]
ONE = "0b5e1f8a-3c5d-4e6f-8a7b-9c0d1e2f3a4b"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with open_shop(tmp_path) as made:
        settle_in(made, monkeypatch)
        yield made


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        yield made


def new_run(instance: dg.DagsterInstance, job: str = "sweep_job", **how: Any) -> dg.DagsterRun:
    return instance.create_run_for_job(defs.resolve_job_def(job), run_config=QUIET, **how)


def launcher(instance: dg.DagsterInstance, **commands: list[str]) -> CommandRunLauncher:
    made = CommandRunLauncher(**commands)
    made.register_instance(instance)
    return made


@pytest.mark.parametrize(
    "run_id",
    [
        "",
        "run",
        "--help",
        "../../x",
        "a; rm -rf /",
        ONE.upper(),
        f"{{{ONE}}}",
        ONE.replace("-", ""),
    ],
)
def test_an_id_that_is_no_uuid_gets_near_no_command(tmp_path: Path, run_id: str) -> None:
    marker = tmp_path / "touched"
    with pytest.raises(BadRunId):
        do(["touch", str(marker)], run_id)
    assert not marker.exists()


def test_a_run_of_which_somebody_chose_the_id_is_not_started(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    marker = tmp_path / "touched"
    run = dg.DagsterRun(job_name="sweep_job", run_id=f"--reference={marker}")
    with pytest.raises(BadRunId):
        launcher(instance, start=["touch", str(marker), "{run_id}"]).launch_run(LaunchRunContext(run, None))
    assert not marker.exists()


def test_the_id_is_put_where_the_command_says_and_a_command_that_fails_tells_why_in_one_line(
    instance: dg.DagsterInstance,
) -> None:
    run = new_run(instance)
    words = "import sys; sys.stderr.write('no\\x1b[2J unit\\n' + sys.argv[1]); sys.exit(int(sys.argv[1][-1] != '!'))"
    launcher(instance, start=[*BY_PYTHON, words, "solpay-run@{run_id}!"]).launch_run(
        LaunchRunContext(run, None)
    )
    with pytest.raises(CommandRefused) as refused:
        launcher(instance, start=[*BY_PYTHON, words, "solpay-run@{run_id}"]).launch_run(
            LaunchRunContext(run, None)
        )
    assert str(refused.value) == f"{sys.executable} ended with 1: no\\x1b[2J unit solpay-run@{run.run_id}"


@pytest.mark.parametrize(
    ("command", "status"), [("true", WorkerStatus.RUNNING), ("false", WorkerStatus.NOT_FOUND)]
)
def test_a_worker_that_is_gone_is_noticed_by_the_command_that_looks(
    instance: dg.DagsterInstance, command: str, status: WorkerStatus
) -> None:
    made = launcher(instance, start=["true"], is_running=[command])
    assert made.supports_check_run_worker_health
    assert made.check_run_worker_health(new_run(instance)).status is status
    assert not launcher(instance, start=["true"]).supports_check_run_worker_health


def test_a_run_that_is_terminated_is_told_to_the_command_that_stops(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run, marker = new_run(instance), tmp_path / "stopped"
    assert launcher(instance, start=["true"], stop=["touch", str(marker)]).terminate(run.run_id)
    assert marker.exists()
    assert not launcher(instance, start=["true"]).terminate(run.run_id)


def test_a_worker_carries_out_the_run_once(shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.accept_sol()
    (customer,) = shop.accepted_and_paid(None)
    run = new_run(instance)

    assert execute(instance, run.run_id)

    assert shop.state(customer) == "sent_funds"
    with pytest.raises(NoSuchRun):
        execute(instance, run.run_id)


def test_a_worker_runs_our_jobs_whatever_code_the_runs_row_names(
    shop: Shop, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    marker, evil = tmp_path / "was here", tmp_path / "evil.py"
    evil.write_text(
        f"import dagster as dg, pathlib\npathlib.Path({str(marker)!r}).touch()\n"
        "@dg.job\ndef sweep_job():\n    pass\ndefs = dg.Definitions(jobs=[sweep_job])\n"
    )
    pointer = FileCodePointer(str(evil), "defs", str(tmp_path))
    origin = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    run = new_run(instance, job_code_origin=JobPythonOrigin("sweep_job", origin))

    assert execute(instance, run.run_id)

    assert not marker.exists()
