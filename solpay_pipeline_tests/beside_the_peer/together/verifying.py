"""A customer's page that never rests: the peer's verify service over all payments, round after round.

`python -m solpay_pipeline_tests.beside_the_peer.together.verifying <file>` goes round once, and again until the file is there. The last
line of output are the ids of the payments that it was told are accepted, and how often it got which exception.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import django


def main() -> None:
    from django_solana_payments.helpers import get_payment_crypto_token_model, get_solana_payment_model
    from django_solana_payments.services.verify_transaction_service import VerifyTransactionService

    stop = Path(sys.argv[1])
    accepted: set[int] = set()
    raised: Counter[str] = Counter()
    rounds = 0
    while not (rounds and stop.exists()):
        rounds += 1
        for payment in get_solana_payment_model().objects.order_by("pk"):
            for token in get_payment_crypto_token_model().objects.order_by("pk"):
                try:
                    status = VerifyTransactionService().verify_transaction_and_process_payment(
                        payment.payment_address, token
                    )
                # The endpoint answers 500 and goes on, whatever it was.
                except Exception as error:  # noqa: BLE001
                    raised[type(error).__name__] += 1
                else:
                    if status in ("confirmed", "finalized"):
                        accepted.add(payment.pk)
    print("\n" + json.dumps({"rounds": rounds, "accepted": sorted(accepted), "raised": raised}))


if __name__ == "__main__":
    django.setup()
    main()
