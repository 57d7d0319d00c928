"""Runs a job for the command line, in this process, on the instance of $DAGSTER_HOME where there is one."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from solpay_pipeline.base.errors import SolpayError
from solpay_pipeline.base.startup import importing
from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.defs.metadata import TERMINAL
from solpay_pipeline.defs.ops import JsonOutcome
from solpay_pipeline.operations.context.options import Options, parse_tolerance

DELIVERY = "deliver_events"
"""The last step of every job."""

_CHECKED = ("sleep", "max_runtime_seconds", "limit", "watch_days")


class CommandFailed(SolpayError):
    """The run ended before its operations did; the text says which one, and why."""


def check_options(ops: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `BadOption` before a run is made of what cannot be meant."""
    for config in ops.values():
        told = _without_none(config)
        parse_tolerance(str(told.get("underpayment_tolerance") or "0"))
        Options(**{name: told[name] for name in _CHECKED if name in told})


def execute(command: str, ops: Mapping[str, Mapping[str, Any]], *, show_progress: bool) -> list[JsonOutcome]:
    """Run the command's job and return the outcomes of its operations, in order, that of the delivery of events last.

    Raises `CommandFailed`.
    """
    job = defs.resolve_job_def(OPERATION_JOBS[command].name)
    run_config = {
        "ops": {name: {"config": _without_none(config)} for name, config in ops.items()},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    with _instance() as instance, _progress(show_progress):
        result = job.execute_in_process(run_config=run_config, instance=instance, raise_on_error=False)
        steps = [*dict.fromkeys([*ops, DELIVERY])]
        failures = [event for event in result.all_events if event.is_step_failure and event.step_key in steps]
        if failures:
            raise CommandFailed(_explain(failures[0]))
        return [result.output_for_node(name) for name in steps]


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}


def _explain(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return f"{event.step_key}: {failure.user_failure_data.description}"
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    words = "failed" if error is None else error.message.strip()
    return f"{event.step_key}: {words}"


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
    else:
        # Its storage comes with hundreds of modules.
        with importing():
            ephemeral = dg.DagsterInstance.ephemeral()
        with ephemeral as instance:
            yield instance


@contextmanager
def _progress(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        token = TERMINAL.set(_bars(progress))
        try:
            yield
        finally:
            TERMINAL.reset(token)


def _bars(progress: Progress) -> Callable[[str, str, int], None]:
    tasks: dict[str, Any] = {}

    def advance(operation: str, stage: str, count: int) -> None:
        name = f"{operation}: wallets {stage}"
        if name not in tasks:
            tasks[name] = progress.add_task(name, total=None)
        progress.advance(tasks[name], count)

    return advance
