"""The project of the tests with payment and token models of its own."""

from solpay_pipeline_tests.beside_the_peer.drop_in.settings import *  # noqa: F403
from solpay_pipeline_tests.beside_the_peer.drop_in.settings import INSTALLED_APPS as _APPS
from solpay_pipeline_tests.beside_the_peer.drop_in.settings import SOLANA_PAYMENTS as _PEER

INSTALLED_APPS = [*_APPS, "solpay_pipeline_tests.beside_the_peer.drop_in.boutique"]
MIGRATION_MODULES = {
    "django_solana_payments": "solpay_pipeline_tests.beside_the_peer.drop_in.boutique.peer.migrations"
}
SOLANA_PAYMENTS = {
    **_PEER,
    "SOLANA_PAYMENT_MODEL": "boutique.Purchase",
    "PAYMENT_CRYPTO_TOKEN_MODEL": "boutique.Coin",
}
