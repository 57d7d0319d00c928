"""What all commands of `solpay` share: exit codes, the settings or one line that names the bad one, a job's run."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console

from solpay_pipeline.base.startup import importing
from solpay_pipeline.base.streams import is_terminal, say
from solpay_pipeline.base.text import harmless
from solpay_pipeline.settings.key_files import open_to_others
from solpay_pipeline.settings.model import BadSetting, Settings
from solpay_pipeline.wiring.choices import DeliverChoices, Judging, OperationChoices
from solpay_pipeline.wiring.environment import timetable

if TYPE_CHECKING:
    from solpay_pipeline.in_process import Finished
    from solpay_pipeline.wiring.database import Database

DONE, NOT_ALL_DONE, BAD_USAGE = 0, 1, 2


def settings_or_exit(read: Callable[[], Settings]) -> Settings:
    """The settings of the environment, as `read` reads them; exits where some are missing or bad."""
    try:
        timetable()
        settings = read()
    except BadSetting as bad:
        refuse(str(bad))
    for loose in open_to_others(os.environ):
        typer.echo(f"warning: {loose}", err=True)
    return settings


@contextmanager
def open_ledger(settings: Settings) -> Iterator["Database"]:
    """The database of these settings; exits where it does not open or our tables in it are not up to date."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.base.database_trouble import DatabaseTrouble
    from solpay_pipeline.ledger.migrations import migrate
    from solpay_pipeline.wiring.database import open_database

    try:
        database = open_database(settings)
    except DatabaseTrouble as problem:
        refuse(f"SOLPAY_DATABASE_URL: {problem}")
    with closing(database):
        with reading(database.engine) as connection:
            is_current = migrate.is_current(connection)
        if not is_current:
            refuse("the pipeline's tables are missing or of another version: run `solpay init`")
        yield database


def refuse(reason: str) -> NoReturn:
    """Exit with one line, no stack trace."""
    typer.echo(harmless(reason, keep="\n"), err=True)
    raise typer.Exit(BAD_USAGE)


def run_job(
    command: str,
    choices: OperationChoices | DeliverChoices,
    settings: Settings,
    judging: Judging,
    *,
    as_json: bool,
) -> NoReturn:
    """Run the command's job with these settings, payments judged as said here; print its outcomes, exit."""
    with importing():
        from solpay_pipeline.defs.resources import lending
        from solpay_pipeline.in_process import execute
    finished = execute(
        command,
        choices,
        resources=lending(settings, judging),
        show_progress=is_terminal(sys.stderr) and not as_json,
    )
    if as_json and (finished.outcomes or not finished.failures):
        typer.echo(json.dumps(finished.as_json(), indent=2))
    elif not as_json:
        _show(finished, Console())
    for failure in finished.failures:
        say(harmless(failure, keep="\n"))
    raise typer.Exit(DONE if finished.is_clean else NOT_ALL_DONE)


def _show(finished: "Finished", console: Console) -> None:
    from solpay_pipeline.cli.render import show, show_delivery

    if finished.outcomes:
        show(finished.outcomes, console)
    if finished.shown_delivery is not None:
        show_delivery(finished.shown_delivery, console)
