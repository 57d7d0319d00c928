"""Runs a job for the command line, in this process, on the instance of $DAGSTER_HOME where there is one."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import dagster as dg
from alembic.util import CommandError
from dagster._core.execution.plan.objects import ErrorSource
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError  # type: ignore[import-untyped]

from solpay_pipeline.base.interruption import stop_on_every_signal
from solpay_pipeline.base.startup import importing
from solpay_pipeline.base.streams import say
from solpay_pipeline.base.waiting import pause
from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.config import run_config
from solpay_pipeline.defs.failures import INTERRUPTED, STOPPED
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.defs.metadata import HEARD, SPOKEN, TERMINAL
from solpay_pipeline.events.relay import DeliveryOutcome
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.wiring.choices import DeliverChoices, OperationChoices

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_LOCK = ".solpay.lock"
_LOCK_SECONDS = 30.0
_RETRY_S = 0.05

# Of a broken home's complaint.
_MOST_WORDS = 300

_DELIVERY, _VERDICT = "deliver_events", "verdict"


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command's operations did, in order, and what became of their events.

    `failures` say which of them ended early, and why, a line for each cause. One that could not begin has no outcome; a
    delivery that did not come to its end is None.
    """

    outcomes: tuple[Outcome, ...]
    delivery: DeliveryOutcome | None
    failures: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Everything was done: nothing was set aside or left undone, nothing failed, and no money was kept back."""
        delivery = self.delivery
        return (
            not self.failures
            and all(one.is_clean for one in self.outcomes)
            and (delivery is None or not (delivery.set_aside or delivery.left_undone))
        )

    @property
    def shown_delivery(self) -> DeliveryOutcome | None:
        """An operation of a shop without events shows as if there were no delivery."""
        if self.delivery is not None and (self.delivery.sinks or not (self.outcomes or self.failures)):
            return self.delivery
        return None

    def as_json(self) -> list[dict[str, object]]:
        """Plain JSON, that of the delivery last."""
        delivery = [] if self.shown_delivery is None else [self.shown_delivery.as_json()]
        return [*(one.as_json() for one in self.outcomes), *delivery]


def execute(
    command: str,
    choices: OperationChoices | DeliverChoices,
    *,
    resources: Mapping[str, object] | None = None,
    show_progress: bool = False,
) -> Finished:
    """Run the command's job to its end, with these resources in place of those of the code location."""
    job = defs.resolve_job_def(OPERATION_JOBS[command].name)
    stop_on_every_signal()
    with _instance() as instance, _progress(show_progress), _heard() as outcomes:
        try:
            result = job.execute_in_process(
                run_config=run_config(choices) | _QUIET,
                instance=instance,
                # Nobody goes on from the failure of such a run: what its ops hand on need not be kept.
                resources={**(resources or {}), "io_manager": dg.mem_io_manager},
                raise_on_error=False,
            )
        except (INTERRUPTED, KeyboardInterrupt):
            return Finished(tuple(outcomes), None, (f"{command}: {STOPPED}",))
    delivered = any(event.is_step_success and event.step_key == _DELIVERY for event in result.all_events)
    return Finished(
        tuple(outcomes),
        result.output_for_node(_DELIVERY) if delivered else None,
        tuple(_causes(outcomes, result.all_events)),
    )


def _causes(outcomes: Sequence[Outcome], events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    """Each cause once, behind the ops that failed for it. The verdict's failure says only what the outcomes say."""
    failed: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.failure is not None:
            failed.setdefault(outcome.failure, []).append(outcome.operation)
    for event in events:
        if event.is_step_failure and event.step_key != _VERDICT:
            failed.setdefault(_explain(event), []).append(event.step_key or "")
    for words, steps in failed.items():
        yield f"{', '.join(steps)}: {words}"


def _explain(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.error_source is ErrorSource.INTERRUPT:
        return STOPPED
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "failed" if error is None else error.message.strip()


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    with ExitStack() as opened:
        instance = _kept_instance(os.environ.get("DAGSTER_HOME"))
        if instance is not None:
            yield opened.enter_context(instance)
            return
        # Its storage comes with hundreds of modules.
        with importing():
            ephemeral = dg.DagsterInstance.ephemeral()
        yield opened.enter_context(ephemeral)


def _kept_instance(home: str | None) -> dg.DagsterInstance | None:
    """The instance in that folder; None without one, and where it is broken: money goes home all the same."""
    if not home:
        return None
    try:
        with _alone_in(Path(home)):
            instance = dg.DagsterInstance.get()
            # Looks, so that what is broken shows now and not in the middle of the run.
            instance.get_runs_count()
    except (dg.DagsterError, SQLAlchemyError, CommandError, YAMLError, OSError, ValueError) as broken:
        cause = " ".join(str(broken).split())[:_MOST_WORDS]
        say(
            f"DAGSTER_HOME={home} cannot be used, so this run is in no list of runs: {type(broken).__name__}: {cause}"
        )
        return None
    return instance


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Let one process at a time make the storage of an instance: two at once leave SQLite files that nobody can use."""
    with (home / _LOCK).open("a") as lock:
        until = time.monotonic() + _LOCK_SECONDS
        while not _is_taken(lock):
            if time.monotonic() > until:
                raise TimeoutError(f"another process has held {lock.name} for {_LOCK_SECONDS:.0f} s")
            pause(_RETRY_S)
        yield


def _is_taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _heard() -> Iterator[list[Outcome]]:
    """The outcomes as they come; waits are told on stderr, where cron and a terminal both look."""
    outcomes: list[Outcome] = []
    spoken, heard = SPOKEN.set(say), HEARD.set(outcomes)
    try:
        yield outcomes
    finally:
        SPOKEN.reset(spoken)
        HEARD.reset(heard)


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
