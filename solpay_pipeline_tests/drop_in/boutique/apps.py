from django.apps import AppConfig


class BoutiqueConfig(AppConfig):
    name = "solpay_pipeline_tests.drop_in.boutique"
    label = "boutique"
