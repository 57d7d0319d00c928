"""`manage.py solpay ...`: every command of `solpay`, with the project's settings as its defaults."""

from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from solpay_pipeline.contrib.django.running import run_solpay


class Command(BaseCommand):
    """Pass everything on."""

    help = "Runs a command of solpay: init, doctor, maintain, events, rotate-keys, ..."
    # `solpay init` runs before there are tables.
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whatever `solpay` takes."""
        parser.add_argument("arguments", nargs=REMAINDER, help="As for solpay.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run it."""
        run_solpay(self, options["arguments"] or ["--help"])
