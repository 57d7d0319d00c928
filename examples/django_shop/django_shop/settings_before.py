"""A shop that takes Solana payments with django-solana-payments and runs its commands from cron."""

import os

SECRET_KEY = "only for this example"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_solana_payments",
    "orders",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SHOP_DATABASE"],
        "OPTIONS": {"timeout": 30},
    }
}
SOLANA_PAYMENTS = {
    "RPC_URL": os.environ["SHOP_RPC_URL"],
    "RECEIVER_ADDRESS": os.environ["SHOP_RECEIVER"],
    "FEE_PAYER_KEYPAIR": os.environ["SHOP_FEE_PAYER"],
    "ONE_TIME_WALLETS_ENCRYPTION_KEY": os.environ["SHOP_WALLET_KEY"],
    "RPC_TIMEOUT": 10,
}
