"""The peer's command for missed payments, done by `solpay recheck`."""

from solpay_pipeline.contrib.django.running import OperationCommand


class Command(OperationCommand):
    """Recheck."""

    help = "Looks up initiated payments on chain and processes those that were paid and never noticed."
    operation = "recheck"
