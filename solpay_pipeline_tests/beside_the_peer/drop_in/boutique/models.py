"""A merchant whose payment and token are both models of their own, without the fields that the peer's have beside."""

from django.db import models
from django_solana_payments.models import AbstractPaymentToken, AbstractSolanaPayment


class Coin(AbstractPaymentToken):
    colour = models.CharField(max_length=20, default="gold")


class Purchase(AbstractSolanaPayment):
    basket = models.TextField(default="")
