"""Runs `solpay` inside a management command, with the project's own settings as its defaults."""

import io
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from click import ClickException
from django.core.management.base import BaseCommand, CommandError

from solpay_pipeline.cli.app import app
from solpay_pipeline.cli.common import BAD_USAGE, NOT_ALL_DONE

_WORDS = {
    NOT_ALL_DONE: "not all is done; what was set aside is told above",
    BAD_USAGE: "nothing was done; the reason is told above",
}


class OperationCommand(BaseCommand):
    """One of our operations under the name of the peer's command. Its options are the peer's, and ours.

    Ends with `CommandError`, and the exit code of `solpay`, where not all is done.
    """

    operation: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The peer's `--sleep`, and what all operations of ours have."""
        parser.add_argument(
            "--sleep",
            type=float,
            default=0,
            help="Seconds between blockchain operations, against rate limits.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Plan and report; sign and write nothing.")
        parser.add_argument("--json", action="store_true", help="Print the outcome as JSON.")
        parser.add_argument(
            "--payment-id", type=int, action="append", help="Only this payment; may be repeated."
        )
        parser.add_argument("--max-runtime", type=float, help="Stop cleanly after so many seconds.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the operation."""
        run_solpay(self, [self.operation, *self.arguments(options)])

    def arguments(self, options: dict[str, Any]) -> list[str]:
        """The same options for `solpay`."""
        arguments = ["--sleep", str(options["sleep"])]
        arguments += [flag for flag, key in (("--dry-run", "dry_run"), ("--json", "json")) if options[key]]
        for payment_id in options["payment_id"] or []:
            arguments += ["--payment-id", str(payment_id)]
        if options["max_runtime"] is not None:
            arguments += ["--max-runtime", str(options["max_runtime"])]
        return arguments


def run_solpay(command: BaseCommand, arguments: Sequence[str]) -> None:
    """Run a `solpay` command of this process's Django project; what it prints is the management command's output.

    Raises `CommandError` with the exit code of `solpay` where that is not 0.
    """
    os.environ.setdefault("SOLPAY_DJANGO_SETTINGS", os.environ["DJANGO_SETTINGS_MODULE"])
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
