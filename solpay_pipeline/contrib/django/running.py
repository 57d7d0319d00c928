"""Runs `solpay` inside a management command, with the project's own settings as its defaults."""

import io
import os
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from typing import Any

from click import ClickException
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from solpay_pipeline.cli.app import app
from solpay_pipeline.cli.common import BAD_USAGE, NOT_ALL_DONE
from solpay_pipeline.cli.options import Option, options_of

_WORDS = {
    NOT_ALL_DONE: "not all is done; what was set aside is listed above",
    BAD_USAGE: "nothing was done; the reason stands above",
}


class OperationCommand(BaseCommand):
    """One of our operations under the name of the peer's command. Its options are those of `solpay`.

    Ends with `CommandError`, and the exit code of `solpay`, where not all is done.
    """

    operation: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The peer's `--sleep` and `--limit` are among them."""
        for option in options_of(self.operation):
            flag = option.off or option.flag
            # In a help text of argparse a percent sign begins one of its own words.
            words = option.help.replace("%", "%%")
            if option.is_switch:
                parser.add_argument(flag, action="store_true", help=words)
            else:
                parser.add_argument(
                    flag,
                    type=option.value_type,
                    action="append" if option.is_repeated else "store",
                    default=None if option.is_repeated else option.default,
                    help=words,
                )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the operation."""
        given = [word for option in options_of(self.operation) for word in _words(option, options)]
        run_solpay(self, [self.operation, *given])


def run_solpay(command: BaseCommand, arguments: Sequence[str]) -> None:
    """Run a `solpay` command of this process's Django project; what it prints is the management command's output.

    Raises `CommandError` with the exit code of `solpay` where that is not 0.
    """
    os.environ.setdefault("SOLPAY_DJANGO_SETTINGS", os.environ["DJANGO_SETTINGS_MODULE"])
    _refuse_within_transaction()
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            code = app(args=list(arguments), prog_name="solpay", standalone_mode=False)
    except ClickException as error:
        raise CommandError(error.format_message(), returncode=BAD_USAGE) from None
    finally:
        if printed.getvalue():
            command.stdout.write(printed.getvalue(), ending="")
    if code:
        raise CommandError(_WORDS[code], returncode=code)


def _refuse_within_transaction() -> None:
    """On SQLite a transaction of the caller's own holds the lock that we would wait for until it ends."""
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "sqlite" and connection.in_atomic_block:
            raise CommandError(
                "called within a transaction of this project's own (`transaction.atomic`), which holds the lock of the "
                "SQLite database: call it when that has ended",
                returncode=BAD_USAGE,
            )


def _words(option: Option, options: dict[str, Any]) -> Iterator[str]:
    """The option as `solpay` takes it."""
    flag = option.off or option.flag
    value = options[flag.removeprefix("--").replace("-", "_")]
    if option.is_switch:
        yield from [flag] * bool(value)
    elif value is not None:
        for one in value if option.is_repeated else [value]:
            yield from (flag, str(one))
