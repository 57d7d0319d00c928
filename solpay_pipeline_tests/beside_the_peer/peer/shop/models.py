"""A merchant's own payment model, as the peer's documentation has it made."""

from django.db import models
from django_solana_payments.models import AbstractSolanaPayment


class ShopOrder(AbstractSolanaPayment):
    note = models.TextField(default="")
