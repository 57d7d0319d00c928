"""Runs a job for the command line, in this process, on the instance of $DAGSTER_HOME where there is one."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from solpay_pipeline.base.errors import SolpayError
from solpay_pipeline.base.startup import importing
from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.config import run_config
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.defs.metadata import TERMINAL
from solpay_pipeline.events.relay import DeliveryOutcome
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.wiring.choices import DeliverChoices, OperationChoices

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_DELIVERY = "deliver_events"
_OPERATIONS = {"maintain": ("expire", "sweep", "reclaim"), _DELIVERY: ()}
"""Of a command that is not one operation."""


class CommandFailed(SolpayError):
    """The run ended before its operations did; the text says which one, and why."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command's operations did, in order, and what became of their events."""

    outcomes: tuple[Outcome, ...]
    delivery: DeliveryOutcome

    @property
    def is_clean(self) -> bool:
        """Nothing was set aside, and no money was kept back."""
        return not self.delivery.set_aside and all(one.is_clean for one in self.outcomes)

    @property
    def is_delivery_worth_showing(self) -> bool:
        """An operation of a shop without events shows as if there were none."""
        return bool(self.delivery.sinks) or not self.outcomes

    def as_json(self) -> list[dict[str, object]]:
        """Plain JSON, that of the delivery last."""
        delivery = [self.delivery.as_json()] if self.is_delivery_worth_showing else []
        return [*(one.as_json() for one in self.outcomes), *delivery]


def execute(
    command: str,
    choices: OperationChoices | DeliverChoices,
    *,
    resources: Mapping[str, object] | None = None,
    show_progress: bool = False,
) -> Finished:
    """Run the command's job to its end, with these resources in place of those of the code location.

    Raises `CommandFailed`.
    """
    job = defs.resolve_job_def(OPERATION_JOBS[command].name)
    with _instance() as instance, _progress(show_progress):
        result = job.execute_in_process(
            run_config=run_config(choices) | _QUIET,
            instance=instance,
            # Nobody goes on from the failure of such a run: what its ops hand on need not be kept.
            resources={**(resources or {}), "io_manager": dg.mem_io_manager},
            raise_on_error=False,
        )
        operations = _OPERATIONS.get(command, (command,))
        steps = (*operations, _DELIVERY)
        failures = [event for event in result.all_events if event.is_step_failure and event.step_key in steps]
        if failures:
            raise CommandFailed(_explain(failures[0]))
        return Finished(
            tuple(result.output_for_node(name) for name in operations), result.output_for_node(_DELIVERY)
        )


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
