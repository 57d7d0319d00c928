from django.db import models


class Order(models.Model):
    """What a customer bought."""

    payment = models.OneToOneField("django_solana_payments.SolanaPayment", on_delete=models.PROTECT)
    is_paid = models.BooleanField(default=False)


class Notice(models.Model):
    """A call of one of the shop's signal receivers, so that the example can count them."""

    receiver = models.CharField(max_length=40)
    payment = models.ForeignKey("django_solana_payments.SolanaPayment", on_delete=models.PROTECT)
    amount = models.DecimalField(max_digits=30, decimal_places=18, null=True)
