from django.apps import AppConfig


class ReceiversConfig(AppConfig):
    name = "solpay_pipeline_tests.beside_the_peer.drop_in.receivers"
    label = "drop_in_receivers"

    def ready(self):
        from solpay_pipeline_tests.beside_the_peer.drop_in.receivers import told  # noqa: F401
