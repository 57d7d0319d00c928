"""Receivers as the peer's documentation has them written. What they are told is a line in the file $DROP_IN_TOLD."""

import json
import os
from pathlib import Path

from django.dispatch import receiver
from django_solana_payments.signals import solana_payment_accepted, solana_payment_expired


def _write(who: str, payment, status, amount, sender) -> None:
    line = {
        "who": who,
        "payment": payment.pk,
        "address": payment.payment_address,
        "is_status": payment.status,
        "status": str(status),
        "amount": None if amount is None else str(amount),
        "sender": sender.__name__,
    }
    with Path(os.environ["DROP_IN_TOLD"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


@receiver(solana_payment_accepted)
def on_accepted(sender, payment, transaction_status, payment_amount, **kwargs):
    _write("accepted", payment, transaction_status, payment_amount, sender)


@receiver(solana_payment_accepted)
def on_accepted_unless_broken(sender, payment, transaction_status, payment_amount, **kwargs):
    if Path(os.environ["DROP_IN_TOLD"] + ".broken").exists():
        raise ValueError("the mail server is away")
    _write("mailed", payment, transaction_status, payment_amount, sender)


@receiver(solana_payment_expired)
def on_expired(sender, payment, transaction_status, **kwargs):
    _write("expired", payment, transaction_status, None, sender)
