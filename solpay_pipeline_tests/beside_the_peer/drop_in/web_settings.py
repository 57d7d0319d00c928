"""The project of the tests with the peer's API in front: its own URLs, by Django REST framework."""

from solpay_pipeline_tests.beside_the_peer.drop_in.settings import *  # noqa: F403
from solpay_pipeline_tests.beside_the_peer.drop_in.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "rest_framework"]
ROOT_URLCONF = "solpay_pipeline_tests.beside_the_peer.drop_in.web_urls"
ALLOWED_HOSTS = ["127.0.0.1"]
