"""Plays the demo: fills a shop, runs the real jobs on it, and checks every expectation and the books.

The chain lives in this process behind a real port, the database and the Dagster instance in the demo's folder, where
`make dev` finds the runs afterwards. False where anything differs.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from solpay_pipeline.base.errors import SolpayError
from solpay_pipeline.demo.books import keep_books
from solpay_pipeline.demo.folder import CHAIN_FILE, dagster_home, fresh_folder, only_with, write_environment
from solpay_pipeline.demo.population import GENESIS_AGO, populate
from solpay_pipeline.demo.shop import database_url, open_shop
from solpay_pipeline.demo.show import show
from solpay_pipeline.demo.situations import SITUATIONS, Situation
from solpay_pipeline.demo.story import Story
from solpay_pipeline.demo.verdicts import differences, read_rows
from solpay_pipeline.in_process import execute
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.wiring.choices import MaintainChoices, RecheckChoices

# Short enough that nobody waits for confirmations, long enough for two cores to keep up.
_SLOT_SECONDS = 0.05

_WIDTH = 160


class RunFailed(SolpayError):
    """An operation of the demo could not run, or not to its end; the text says which one, and why."""


def play(folder: Path, seed: int, *, as_json: bool, situations: Sequence[Situation] = SITUATIONS) -> bool:
    """Make the demo anew in `folder` and play it; tell the story on standard output.

    Returns whether all payments are as expected and the books balance. Raises `NotADemo` where the folder is
    somebody else's, `RunFailed` where an operation could not run, RuntimeError where the chain does not start.
    """
    started = time.monotonic()
    folder = fresh_folder(folder)
    home = dagster_home(folder)
    progress_console = Console(stderr=True)
    watched = progress_console.is_terminal and not as_json
    genesis = int((datetime.now(UTC) - GENESIS_AGO).timestamp())
    chain = Chain(ChainConfig(slot_seconds=_SLOT_SECONDS, seed=seed, genesis_time=genesis))
    with running(chain) as node, open_shop(node, database_url(folder)) as shop:
        with _bar(progress_console, watched, situations) as tell:
            populate(shop, situations, tell)
        populated = time.monotonic()
        before = read_rows(shop)
        environment = shop.environment()
        write_environment(folder, environment)
        with _environment(environment | {"DAGSTER_HOME": str(home)}):
            outcomes = _run_jobs(watched)
        after = read_rows(shop)
        state_file.save(chain, folder / CHAIN_FILE)
        story = Story(
            folder=folder,
            seed=seed,
            situations=situations,
            cases=shop.cases,
            before=before,
            after=after,
            outcomes=outcomes,
            books=keep_books(shop, after.states),
            differences=differences(shop, situations, after),
            seconds_to_populate=populated - started,
            seconds=time.monotonic() - started,
        )
    if as_json:
        sys.stdout.write(json.dumps(story.as_json(), indent=2) + "\n")
    else:
        show(story, _wide_console())
    return story.is_good


def _run_jobs(watched: bool) -> list[dict[str, object]]:
    maintain = ("maintain", MaintainChoices(discover_accounts=True))
    commands = [("recheck", RecheckChoices(limit=1_000, discover_accounts=True)), maintain, maintain]
    outcomes: list[dict[str, object]] = []
    for command, choices in commands:
        finished = execute(command, choices, show_progress=watched)
        if finished.failures:
            raise RunFailed("; ".join(finished.failures))
        outcomes += [outcome.as_json() for outcome in finished.outcomes]
    return outcomes


@contextmanager
def _bar(console: Console, wanted: bool, situations: Sequence[Situation]) -> Iterator[Callable[[int], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not wanted) as progress:
        total = sum(situation.count for situation in situations)
        task = progress.add_task("making payments", total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These settings and no others, for as long as the block runs."""
    before = dict(os.environ)
    inside = only_with(values)
    os.environ.clear()
    os.environ.update(inside)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _wide_console() -> Console:
    """A terminal as it is; a file or a pipe gets lines long enough for the widest table."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)
