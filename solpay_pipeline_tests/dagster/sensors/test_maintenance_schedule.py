"""Maintenance by the clock: never beside itself, and never without a word."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test, freeze_time

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.schedules import maintenance_schedule, reports_schedule

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXCLUSIVE = {"solpay/exclusive": "maintenance"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk: a schedule opens it by its reference."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def maintenance_tick(instance: dg.DagsterInstance, at: datetime = NOON) -> dg.RunRequest | dg.SkipReason:
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        return maintenance_schedule(context)  # type: ignore[no-any-return]


def test_a_tick_requests_one_run_for_its_time(instance: dg.DagsterInstance) -> None:
    first, again = maintenance_tick(instance), maintenance_tick(instance)
    assert isinstance(first, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert first.run_key == again.run_key == "2026-11-22T12:00:00+00:00"


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_a_tick_skips_while_a_job_that_moves_money_is_under_way(
    instance: dg.DagsterInstance, status: str
) -> None:
    run = create_run_for_test(
        instance, job_name="sweep_job", tags=EXCLUSIVE, status=dg.DagsterRunStatus(status)
    )
    skipped = maintenance_tick(instance)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == f"still under way: sweep_job {run.run_id[:8]} ({status})"


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCELED"])
def test_a_run_that_has_ended_keeps_nobody_waiting(instance: dg.DagsterInstance, status: str) -> None:
    create_run_for_test(
        instance, job_name="maintenance_job", tags=EXCLUSIVE, status=dg.DagsterRunStatus(status)
    )
    assert isinstance(maintenance_tick(instance), dg.RunRequest)


def test_a_recheck_under_way_does_not_stop_maintenance(instance: dg.DagsterInstance) -> None:
    create_run_for_test(
        instance,
        job_name="recheck_job",
        tags={"solpay/exclusive": "recheck"},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert isinstance(maintenance_tick(instance), dg.RunRequest)


def report_days(instance: dg.DagsterInstance) -> list[str | None]:
    with dg.build_schedule_context(instance, scheduled_execution_time=NOON) as context:
        return [request.partition_key for request in reports_schedule(context)]


def made(instance: dg.DagsterInstance, day: str, at: datetime) -> None:
    """The reports of a day, as made at a moment."""
    event = dg.AssetMaterialization("settlements", partition=day)
    with freeze_time(at):
        instance.report_runless_asset_event(event)


def test_reports_of_a_day_that_is_over_are_made_once_more_and_only_once(instance: dg.DagsterInstance) -> None:
    assert report_days(instance) == ["2026-11-21", "2026-11-22"]
    made(instance, "2026-11-21", datetime(2026, 11, 21, 23, 7, tzinfo=UTC))
    assert report_days(instance) == ["2026-11-21", "2026-11-22"], (
        "what was made of it before its end is a part"
    )
    made(instance, "2026-11-21", datetime(2026, 11, 22, 9, 7, tzinfo=UTC))
    assert report_days(instance) == ["2026-11-22"]


def test_a_day_that_was_begun_before_the_daemon_went_away_is_finished(instance: dg.DagsterInstance) -> None:
    made(instance, "2026-11-21", datetime(2026, 11, 22, 0, 7, tzinfo=UTC))
    made(instance, "2026-11-18", datetime(2026, 11, 18, 20, 7, tzinfo=UTC))
    made(instance, "2026-11-02", datetime(2026, 11, 2, 20, 7, tzinfo=UTC))
    assert report_days(instance) == ["2026-11-18", "2026-11-22"]


def test_everything_that_runs_by_itself_ships_stopped() -> None:
    repository = defs.get_repository_def()
    statuses = {
        one.name: one.default_status.value for one in (*repository.sensor_defs, *repository.schedule_defs)
    }
    assert statuses == dict.fromkeys(
        [
            "recheck_sensor",
            "deliver_events_sensor",
            "run_failed_sensor",
            "maintenance_schedule",
            "reports_schedule",
        ],
        "STOPPED",
    )
