"""The peer's command for expired payments, done by `solpay expire`."""

from argparse import ArgumentParser
from typing import Any

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Expire."""

    help = "Marks expired Solana payments, after a look at the chain, and closes their one-time wallets."
    operation = "expire"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ours: whether wallets are closed."""
        super().add_arguments(parser)
        parser.add_argument("--no-close-wallets", action="store_true", help="Leave the wallets to reclaim.")

    def arguments(self, options: dict[str, Any]) -> list[str]:
        """With the switch for wallets."""
        return super().arguments(options) + ["--no-close-wallets"] * options["no_close_wallets"]
