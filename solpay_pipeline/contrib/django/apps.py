"""The app, and the check that its commands are the ones that run."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register

from solpay_pipeline.contrib.django.once import guard_signals

PEER = "django_solana_payments"


class SolpayPipelineConfig(AppConfig):
    """`solpay_pipeline.contrib.django` in INSTALLED_APPS."""

    name = "solpay_pipeline.contrib.django"
    label = "solpay_pipeline"
    verbose_name = "Solana payments pipeline"

    def ready(self) -> None:
        """Register the check, and keep the peer's signals from being sent beside ours."""
        register(check_order)
        if apps.is_installed(PEER):
            guard_signals()


def check_order(**_: Any) -> Sequence[CheckMessage]:
    """The peer's commands must not come first: they would run in place of ours."""
    names = [config.name for config in apps.get_app_configs()]
    ours = SolpayPipelineConfig.name
    if PEER not in names or names.index(ours) < names.index(PEER):
        return []
    return [
        Error(
            f"{ours} stands after {PEER} in INSTALLED_APPS: the peer's management commands run, not ours.",
            hint=f"Put {ours!r} before {PEER!r}.",
            id="solpay.E001",
        )
    ]
