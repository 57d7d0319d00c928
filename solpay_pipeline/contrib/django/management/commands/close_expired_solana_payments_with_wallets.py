"""The peer's command for expired payments, done by `solpay expire`."""

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Expire."""

    help = "Marks expired Solana payments, after a look at the chain, and closes their one-time wallets."
    operation = "expire"
