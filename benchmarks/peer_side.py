"""Runs inside the peer's own environment: `python -m benchmarks.peer_side create 200` or `... command NAME`.

The last line of what it prints is JSON. A command's seconds are those of the command alone, Django being up.
"""

import json
import sys
import time
from decimal import Decimal

import django

from benchmarks.processes import own_cpu_seconds, own_peak_memory


def create(count: int, tokens: list[tuple[str, str, str | None]]) -> None:
    from django.core.management import call_command
    from django_solana_payments.helpers import get_payment_crypto_token_model
    from django_solana_payments.services import create_payment

    call_command("migrate", verbosity=0)
    model = get_payment_crypto_token_model()
    for symbol, price, mint in tokens:
        model.objects.create(
            name=symbol,
            symbol=symbol,
            token_type="SPL" if mint else "NATIVE",
            mint_address=mint,
            payment_crypto_price=Decimal(price),
        )
    for _ in range(count):
        create_payment({})


def command(name: str) -> None:
    from django.core.management import call_command

    started, cpu = time.perf_counter(), own_cpu_seconds()
    call_command(name)
    told = {
        "wall": time.perf_counter() - started,
        "cpu": own_cpu_seconds() - cpu,
        "memory": own_peak_memory(),
    }
    print("\n" + json.dumps(told))


if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "create":
        create(int(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        command(sys.argv[2])
