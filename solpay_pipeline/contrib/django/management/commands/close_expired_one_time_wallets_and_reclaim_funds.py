"""The peer's command for the rent of expired wallets, done by `solpay reclaim`."""

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Reclaim."""

    help = "Closes the empty token accounts of expired payments' one-time wallets; their rent comes back."
    operation = "reclaim"
