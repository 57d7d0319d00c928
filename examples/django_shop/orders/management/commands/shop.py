"""What a web server would do for the shop: take orders, let time pass, tell what there is. JSON on the last line."""

import json
from datetime import timedelta
from decimal import Decimal

from django.core.management.base import BaseCommand
from django.utils import timezone
from django_solana_payments.models import PaymentCryptoToken, SolanaPayment
from django_solana_payments.services import create_payment

from orders.models import Notice, Order


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("what", choices=["open", "order", "time-out", "tell"])
        parser.add_argument("number", nargs="?", type=int, default=1)

    def handle(self, *args, what, number, **options):
        told = {"open": self.open, "order": self.order, "time-out": self.time_out, "tell": self.tell}[what](
            number
        )
        self.stdout.write(json.dumps(told))

    def open(self, _):
        price = Decimal("0.1")
        token = PaymentCryptoToken.objects.create(
            name="Solana", symbol="SOL", token_type="NATIVE", payment_crypto_price=price
        )
        return token.pk

    def order(self, number):
        orders = [Order.objects.create(payment=create_payment({})) for _ in range(number)]
        return [{"payment": order.payment_id, "address": order.payment.payment_address} for order in orders]

    def time_out(self, payment_id):
        past = timezone.now() - timedelta(seconds=1)
        return SolanaPayment.objects.filter(pk=payment_id).update(expiration_date=past)

    def tell(self, _):
        return {
            "payments": {payment.pk: payment.status for payment in SolanaPayment.objects.all()},
            "wallets": {
                payment.pk: payment.one_time_payment_wallet.state
                for payment in SolanaPayment.objects.select_related("one_time_payment_wallet")
            },
            "paid_orders": sorted(Order.objects.filter(is_paid=True).values_list("payment_id", flat=True)),
            "notices": sorted(Notice.objects.values_list("receiver", "payment_id")),
        }
