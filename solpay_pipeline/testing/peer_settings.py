"""Django settings for a process of the peer's own, out of environment variables: a shop can be worked on by both."""

import json
import os

_DATABASE = json.loads(os.environ["PEER_DATABASE"])

SECRET_KEY = os.urandom(32).hex()
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_solana_payments",
    *json.loads(os.environ.get("PEER_APPS", "[]")),
]
DATABASES = {"default": _DATABASE}
SOLANA_PAYMENTS = {
    "RPC_URL": os.environ["PEER_RPC_URL"],
    "RECEIVER_ADDRESS": os.environ["PEER_RECEIVER"],
    "FEE_PAYER_KEYPAIR": os.environ["PEER_FEE_PAYER"],
    "ONE_TIME_WALLETS_ENCRYPTION_ENABLED": bool(os.environ["PEER_WALLET_KEY"]),
    "ONE_TIME_WALLETS_ENCRYPTION_KEY": os.environ["PEER_WALLET_KEY"] or None,
    "PAYMENT_VALIDITY_SECONDS": int(os.environ.get("PEER_VALIDITY_SECONDS", "1800")),
    **json.loads(os.environ.get("PEER_MODELS", "{}")),
}
