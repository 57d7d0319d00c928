"""What the peer's process does: `python -m solpay_pipeline_tests.beside_the_peer.peer.inside <task>`, JSON in, JSON out.

Only the last line of its output is the answer; the peer prints as it works.
"""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import django


def set_up(tokens: list[dict[str, Any]]) -> list[int]:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return create_tokens(tokens)


def create_tokens(tokens: list[dict[str, Any]]) -> list[int]:
    from django_solana_payments.helpers import get_payment_crypto_token_model

    model = get_payment_crypto_token_model()
    ids = []
    for token in tokens:
        token["payment_crypto_price"] = Decimal(token["payment_crypto_price"])
        ids.append(model.objects.create(**token).pk)
    return ids


def create_payments(count: int) -> list[dict[str, Any]]:
    from django_solana_payments.services import create_payment

    return [_described(create_payment({})) for _ in range(count)]


def states(_: None) -> dict[str, Any]:
    """Every payment and wallet as Django's ORM reads them."""
    from django_solana_payments.helpers import get_solana_payment_model
    from django_solana_payments.models import OneTimePaymentWallet

    return {
        "payments": [_described(payment) for payment in get_solana_payment_model().objects.order_by("pk")],
        "wallets": [
            {"id": wallet.pk, "state": wallet.state, "receiver_address": wallet.receiver_address}
            for wallet in OneTimePaymentWallet.objects.order_by("pk")
        ],
    }


def addresses(_: None) -> dict[str, str]:
    """Wallet id to address, by the peer's own decryption."""
    from django_solana_payments.models import OneTimePaymentWallet

    return {str(wallet.pk): str(wallet.address) for wallet in OneTimePaymentWallet.objects.order_by("pk")}


def token_prices(_: None) -> dict[str, str]:
    """Token id to its price."""
    from django_solana_payments.helpers import get_payment_crypto_token_model

    rows = get_payment_crypto_token_model().objects.order_by("pk")
    return {str(token.pk): str(token.payment_crypto_price) for token in rows}


def expire_now(payment_ids: list[int]) -> int:
    """Move the expiration of payments into the past, as time would."""
    from datetime import timedelta

    from django.utils import timezone
    from django_solana_payments.helpers import get_solana_payment_model

    rows = get_solana_payment_model().objects.filter(pk__in=payment_ids)
    return rows.update(expiration_date=timezone.now() - timedelta(seconds=1))


TASKS: dict[str, Callable[[Any], Any]] = {
    task.__name__: task
    for task in (set_up, create_tokens, create_payments, states, addresses, token_prices, expire_now)
}


def _described(payment: Any) -> dict[str, Any]:
    payment.refresh_from_db()
    return {
        "id": payment.pk,
        "address": payment.payment_address,
        "status": payment.status,
        "signature": payment.signature,
        "paid_token": payment.paid_token_id,
        "wallet_id": payment.one_time_payment_wallet_id,
        "wallet_state": payment.one_time_payment_wallet.state,
        "created": payment.created.isoformat(),
        "expires": payment.expiration_date.isoformat(),
        "prices": {
            str(price.token_id): str(price.amount_in_crypto) for price in payment.crypto_prices.order_by("pk")
        },
    }


if __name__ == "__main__":
    django.setup()
    answer = TASKS[sys.argv[1]](json.loads(sys.argv[2]))
    print("\n" + json.dumps(answer))
