"""Where pandas and matplotlib are not installed, reports are listed, and say what to install."""

import subprocess
import sys
from datetime import UTC, datetime

import dagster as dg
import pytest

from solpay_pipeline.definitions import defs
from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET
from solpay_pipeline_tests.shop import Shop

BLOCKED = ("pandas", "matplotlib")
SAYS = "pip install 'solpay-pipeline[reports]'"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as if neither were installed, and no report imported yet."""
    for name in [*sys.modules]:
        if name.startswith((*(f"{one}." for one in BLOCKED), "solpay_pipeline.reports.")):
            monkeypatch.delitem(sys.modules, name)
    for name in BLOCKED:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Missing(), *sys.meta_path])


class _Missing:
    """Finds nothing of what is blocked, as an interpreter that has it not."""

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.usefixtures("bare")
def test_a_report_fails_at_once_and_says_what_to_install(shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.accept_sol()
    result = defs.resolve_job_def("reports_job").execute_in_process(
        run_config=QUIET, instance=instance, partition_key=_today(), raise_on_error=False
    )
    failure = result.failure_data_for_node("settlements")
    assert failure is not None
    assert failure.user_failure_data is not None
    words = failure.user_failure_data.description or ""
    assert SAYS in words
    assert "\n" not in words
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_reports_are_listed_and_commands_work_and_say_what_to_install(shop: Shop) -> None:
    listed = _run(shop, "from solpay_pipeline.definitions import defs; print(*defs.resolve_all_asset_keys())")
    assert listed.stdout.count("settlements") == 1
    assert listed.returncode == 0, listed.stderr
    told = _run(shop, "sys.argv = ['solpay', 'report']; from solpay_pipeline.cli.app import main; main()")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"reports need pandas: {SAYS}\n"
    metrics = _run(shop, "sys.argv = ['solpay', 'metrics']; from solpay_pipeline.cli.app import main; main()")
    assert metrics.returncode == 0, metrics.stderr


def _run(shop: Shop, code: str) -> "subprocess.CompletedProcess[str]":
    blocked = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r})); {code}"
    return subprocess.run(
        [sys.executable, "-c", blocked],
        cwd=REPOSITORY,
        env=bare_environment() | shop.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"
