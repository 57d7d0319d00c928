"""The peer's command for sending funds home, done by `solpay sweep`."""

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Sweep."""

    help = "Sends all funds from the one-time wallets of accepted payments to the main wallet."
    operation = "sweep"
