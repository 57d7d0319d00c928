from django.apps import AppConfig


class BoutiqueConfig(AppConfig):
    name = "solpay_pipeline_tests.beside_the_peer.drop_in.boutique"
    label = "boutique"
