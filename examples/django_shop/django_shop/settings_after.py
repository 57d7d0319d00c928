"""The same shop after the switch: everything that had to be changed."""

import os

from django_shop.settings_before import *  # noqa: F403
from django_shop.settings_before import INSTALLED_APPS as _BEFORE

INSTALLED_APPS = ["solpay_pipeline.contrib.django", *_BEFORE]
SOLPAY = {
    "CLUSTER": "localnet",
    "WEBHOOK_URL": os.environ["SHOP_WEBHOOK_URL"],
    "WEBHOOK_SECRET": os.environ["SHOP_WEBHOOK_SECRET"],
}
