"""The files at the root say what the code says, and Dagster reads them as they are meant."""

import shutil
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_the_instance_calls_nobody_and_shows_no_welcome_window(instance: DagsterInstance):
    assert not instance.telemetry_enabled
    assert not instance.nux_enabled


def test_the_instance_lets_one_maintenance_and_two_rechecks_run_at_a_time(instance: DagsterInstance):
    queue = instance.get_concurrency_config().run_queue_config

    assert queue is not None
    assert queue.tag_concurrency_limits == [
        {"key": "solpay/exclusive", "value": "maintenance", "limit": 1},
        {"key": "solpay/exclusive", "value": "recheck", "limit": 2},
    ]


def test_the_instance_runs_again_only_what_crashed(instance: DagsterInstance):
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 1
    assert not instance.run_retries_retry_on_asset_or_op_failure


def test_the_instance_frees_what_a_dead_run_held(instance: DagsterInstance):
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_max_runtime_seconds == 7_200
    assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] == 60


def test_the_instance_forgets_idle_ticks_and_shows_our_own_log(instance: DagsterInstance):
    assert instance.get_settings("retention")["sensor"]["purge_after_days"]["skipped"] == 1
    assert instance.managed_python_loggers == ["solpay_pipeline"]


def test_the_workspace_has_one_location_named_solpay():
    origins = location_origins_from_yaml_paths([str(ROOT / "workspace.yaml")])

    (origin,) = origins
    assert isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin)
    assert origin.location_name == "solpay"
    assert origin.loadable_target_origin.module_name == "solpay_pipeline.definitions"


def test_no_table_in_pyproject_wins_over_the_workspace():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]

    assert not {"dagster", "dg"} & set(tools)


def test_the_package_ships_its_migrations_and_its_types():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["solpay_pipeline"].split()

    shipped = {path for pattern in patterns for path in (ROOT / "solpay_pipeline").glob(pattern)}

    assert {path.name for path in shipped} >= {"py.typed", "env.py", "script.py.mako", "0001_first_tables.py"}
