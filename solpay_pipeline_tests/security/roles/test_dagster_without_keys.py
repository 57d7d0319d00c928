"""What runs by itself in Dagster needs no key: sensors, schedules, reports and their checks, dry runs, delivery."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.schedules import maintenance_schedule, reports_schedule
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET, run_job
from solpay_pipeline_tests.security.roles.ground import Role, environment_of
from solpay_pipeline_tests.shop import Shop, open_shop

SENSORS = {"recheck_sensor": True, "deliver_events_sensor": False}
"""Whether it asks for a run where money waits at an open payment."""

OPERATIONS = ("expire_job", "sweep_job", "reclaim_job", "recheck_job", "maintenance_job")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose settings without the keys are this process's environment."""
    with open_shop(tmp_path) as made:
        made.accept_sol()
        for name, value in environment_of(made, Role.OPERATE).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One with files: the context of a schedule opens it anew."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        yield made


def test_each_sensor_and_schedule_is_tried_here() -> None:
    repository = defs.get_repository_def()
    assert {one.name for one in repository.sensor_defs} == {*SENSORS, "run_failed_sensor"}
    assert {one.name for one in repository.schedule_defs} == {"maintenance_schedule", "reports_schedule"}


@pytest.mark.parametrize(("name", "asks"), SENSORS.items())
def test_a_sensor_looks_without_a_key(
    shop: Shop, instance: dg.DagsterInstance, name: str, asks: bool
) -> None:
    shop.pay_sol(shop.new_payment())
    repository = defs.get_repository_def()
    with dg.build_sensor_context(
        instance=instance, repository_def=repository, resources=dict(defs.resources or {})
    ) as context:
        ticked = repository.get_sensor_def(name).evaluate_tick(context)
    assert bool(ticked.run_requests) is asks
    assert "SOLPAY_" not in (ticked.skip_message or "")


@pytest.mark.parametrize("name", ["maintenance_schedule", "reports_schedule"])
def test_a_schedule_asks_for_its_run_without_a_key(
    shop: Shop, instance: dg.DagsterInstance, name: str
) -> None:
    tick = {one.name: one for one in (maintenance_schedule, reports_schedule)}[name]
    with dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC)) as context:
        asked = tick(context)
    assert isinstance(asked, dg.RunRequest) or list(asked)


def test_reports_and_their_checks_are_made_without_a_key(shop: Shop, instance: dg.DagsterInstance) -> None:
    made = defs.resolve_job_def("reports_job").execute_in_process(
        instance=instance,
        partition_key=f"{datetime.now(UTC):%Y-%m-%d}",
        run_config=QUIET,
        raise_on_error=False,
    )
    assert made.success
    assert [one.check_name for one in made.get_asset_check_evaluations() if not one.passed] == []


@pytest.mark.parametrize("job", OPERATIONS)
def test_a_dry_run_is_green_without_a_key(shop: Shop, instance: dg.DagsterInstance, job: str) -> None:
    shop.accepted_and_paid(None)
    assert run_job(defs, instance, job, dry_run=True).success


def test_a_run_that_could_not_move_money_is_red_with_one_line(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.accepted_and_paid(None)
    ended = run_job(defs, instance, "sweep_job")
    assert not ended.success
    failures = [event.step_failure_data for event in ended.all_events if event.is_step_failure]
    (words,) = [one.user_failure_data.description for one in failures if one.user_failure_data]
    assert "the money of 1 wallets is not sent: no key is in the environment of this process" in words
