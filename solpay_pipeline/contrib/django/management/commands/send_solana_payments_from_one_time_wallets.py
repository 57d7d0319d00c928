"""The peer's command for sending funds home, done by `solpay sweep`."""

from argparse import ArgumentParser
from typing import Any

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Sweep."""

    help = "Sends all funds from the one-time wallets of accepted payments to the main wallet."
    operation = "sweep"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ours: whether held money goes too."""
        super().add_arguments(parser)
        parser.add_argument(
            "--sweep-held-funds", action="store_true", help="Short, late, unexpected money too."
        )

    def arguments(self, options: dict[str, Any]) -> list[str]:
        """With the switch for held money."""
        return super().arguments(options) + ["--sweep-held-funds"] * options["sweep_held_funds"]
