"""The peer's settings of the tests with our app before the peer's, and receivers written for the peer behind it."""

from solpay_pipeline.testing.peer_settings import *  # noqa: F403
from solpay_pipeline.testing.peer_settings import INSTALLED_APPS as _PEER_APPS

INSTALLED_APPS = [
    "solpay_pipeline.contrib.django",
    *_PEER_APPS,
    "solpay_pipeline_tests.beside_the_peer.drop_in.receivers",
]
SOLPAY = {"CLUSTER": "localnet"}
