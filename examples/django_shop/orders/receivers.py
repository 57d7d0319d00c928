"""The shop's receivers, as django-solana-payments has them written. The switch leaves them alone."""

import os

from django.dispatch import receiver
from django_solana_payments.signals import solana_payment_accepted, solana_payment_expired

from orders.models import Notice, Order


@receiver(solana_payment_accepted)
def deliver_goods(sender, payment, transaction_status, payment_amount, **kwargs):
    Order.objects.filter(payment=payment).update(is_paid=True)
    Notice.objects.create(receiver="deliver_goods", payment=payment, amount=payment_amount)


@receiver(solana_payment_accepted)
def send_receipt(sender, payment, **kwargs):
    if os.environ.get("SHOP_MAIL_IS_DOWN"):
        raise ConnectionError("the mail server is down")
    Notice.objects.create(receiver="send_receipt", payment=payment)


@receiver(solana_payment_expired)
def release_stock(sender, payment, transaction_status, **kwargs):
    Notice.objects.create(receiver="release_stock", payment=payment)
