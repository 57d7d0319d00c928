"""A run launcher for `dagster.yaml` that starts, stops and looks after run workers by an operator's commands."""

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from solpay_pipeline.contrib.run_workers.commands import CommandRefused, do, is_done

_COMMAND = dg.Array(str)


class CommandRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """`start` must return once the worker is on its way; `{run_id}` in a command is the run's id.

    `stop` ends the worker by SIGTERM, and `is_running` ends with 0 as long as there is one. Without them a run cannot
    be terminated in the UI, and one whose worker was killed is found by its longest time alone.
    """

    def __init__(
        self,
        start: list[str],
        stop: list[str] | None = None,
        is_running: list[str] | None = None,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        self._start = start
        self._stop = stop
        self._is_running = is_running
        self._inst_data = inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What `dagster.yaml` says."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The fields in `dagster.yaml`."""
        return {
            "start": dg.Field(_COMMAND, description="Starts a worker for the run {run_id}."),
            "stop": dg.Field(_COMMAND, is_required=False, description="Ends it by SIGTERM."),
            "is_running": dg.Field(_COMMAND, is_required=False, description="Ends with 0 while it runs."),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Made by Dagster as the instance is opened."""
        return cls(**config_value, inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a worker. Raises `BadRunId`, `CommandRefused`; Dagster fails the run with their line."""
        do(self._start, context.dagster_run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Ask the worker to end; tells whether it was asked. Raises `BadRunId`."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or self._stop is None:
            return False
        self._instance.report_run_canceling(run)
        try:
            do(self._stop, run_id)
        except CommandRefused as refused:
            self._instance.report_engine_event(str(refused), run)
            return False
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Only by a command that says so."""
        return self._is_running is not None

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Asked again and again by the daemon while a run is under way."""
        if self._is_running is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN)
        try:
            is_there = is_done(self._is_running, run.run_id)
        except CommandRefused as refused:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, str(refused))
        if is_there:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its worker is gone")
