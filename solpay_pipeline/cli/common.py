"""What all commands of `solpay` share: exit codes, the settings or one line that names the bad one, a job's run."""

import json
import os
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console

from solpay_pipeline.base.startup import importing
from solpay_pipeline.settings.model import BadSetting, Settings

DONE, NOT_ALL_DONE, BAD_USAGE = 0, 1, 2


def settings_or_exit() -> Settings:
    """The settings of the environment; exits where some are missing or bad."""
    try:
        return Settings.from_environment(os.environ)
    except BadSetting as bad:
        refuse(str(bad))


def refuse(reason: str) -> NoReturn:
    """Exit with one line, no stack trace."""
    typer.echo(reason, err=True)
    raise typer.Exit(BAD_USAGE)


def run_job(command: str, ops: dict[str, dict[str, Any]], as_json: bool) -> NoReturn:
    """Check the settings and options, run the job, print its outcomes, exit."""
    settings_or_exit()
    with importing():
        from solpay_pipeline.cli.render import show, show_delivery
        from solpay_pipeline.in_process import DELIVERY, CommandFailed, check_options, execute
        from solpay_pipeline.operations.context.options import BadOption

    try:
        check_options({name: config for name, config in ops.items() if name != DELIVERY})
    except BadOption as bad:
        refuse(str(bad))
    try:
        *outcomes, told = execute(command, ops, show_progress=sys.stderr.isatty() and not as_json)
    except CommandFailed as failed:
        Console(stderr=True).print(str(failed), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(NOT_ALL_DONE) from None
    # An operation of a shop without events shows as if there were none.
    shown = [*outcomes, told] if told["sinks"] or not outcomes else outcomes
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
    else:
        if outcomes:
            show(outcomes, Console())
        if told in shown:
            show_delivery(told, Console())
    raise typer.Exit(NOT_ALL_DONE if any(outcome["set_aside"] for outcome in shown) else DONE)
