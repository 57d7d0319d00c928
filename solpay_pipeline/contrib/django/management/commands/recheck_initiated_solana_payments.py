"""The peer's command for missed payments, done by `solpay recheck`."""

from argparse import ArgumentParser
from typing import Any

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Recheck."""

    help = "Looks up initiated payments on chain and processes those that were paid and never noticed."
    operation = "recheck"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The peer's `--limit`; ours: whether funds are forwarded."""
        super().add_arguments(parser)
        parser.add_argument("--limit", type=int, default=200, help="At most so many initiated payments.")
        parser.add_argument(
            "--no-forward-funds", action="store_true", help="Leave the funds to the next sweep."
        )

    def arguments(self, options: dict[str, Any]) -> list[str]:
        """With limit and the switch for funds."""
        limit = ["--limit", str(options["limit"])]
        return super().arguments(options) + limit + ["--no-forward-funds"] * options["no_forward_funds"]
