"""Sends the peer's own Django signals, with the peer's payload, so that receivers written for it work unchanged.

Each receiver that raises is called again later by its name, `module:function`, and the others are not; where a
receiver has no such name all of them are called again. Events the peer knows no signal for count as taken.

Receivers run in this process, where the project's settings are; an alarm is their limit.
"""

import asyncio
import importlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from solpay_pipeline.events.message import BadSink, Message, Report, Undelivered, describe_foreign
from solpay_pipeline.events.sinks.alarm import OutOfTime, at_most

RECEIVER_SECONDS = 30
"""For all receivers of one event together, where nothing else is asked for."""

_SENDERS = "django_solana_payments.services"


class DjangoSink:
    """The peer's signals of one Django project."""

    name = "django"
    at_once = 1
    trouble = ""

    def __init__(self, settings_module: str, *, seconds: int = RECEIVER_SECONDS) -> None:
        """Sets Django up, once for the process. Raises `BadSink`."""
        self.patience = float(seconds)
        set_up_django(settings_module)
        try:
            self._peer = importlib.import_module("django_solana_payments.signals")
            self._payments = importlib.import_module(f"{_SENDERS}.solana_payments_service")
            self._verification = importlib.import_module(f"{_SENDERS}.verify_transaction_service")
            helpers = importlib.import_module("django_solana_payments.helpers")
            choices = importlib.import_module("django_solana_payments.choices")
            self._statuses = choices.SolanaPaymentStatusTypes
            self._model: Any = helpers.get_solana_payment_model()
        except Exception as error:  # noqa: BLE001 - the peer and the models are foreign code
            raise BadSink(
                f"SOLPAY_DJANGO_SETTINGS: django_solana_payments cannot be used there: {describe_foreign(error)}"
            ) from None

    def __repr__(self) -> str:
        """The model whose instances are sent."""
        return f"DjangoSink({self._model.__name__})"

    def send(self, messages: Sequence[Message], report: Report) -> None:
        """Send the signals one after the other."""
        close_old_connections = importlib.import_module("django.db").close_old_connections
        close_old_connections()
        for message in messages:
            report(message, self._tell(message))
        close_old_connections()

    def close(self) -> None:
        """Close Django's connections to the database."""
        importlib.import_module("django.db").connections.close_all()

    def _tell(self, message: Message) -> Undelivered | None:
        prepared = self._signal_for(message)
        if prepared is None:
            return None
        signal, sender, named = prepared
        try:
            payment = self._model.objects.filter(pk=message.data["payment_id"]).first()
        except Exception as error:  # noqa: BLE001 - any database behind Django, with errors of its own
            return Undelivered(f"the payment could not be read: {describe_foreign(error)}", is_down=True)
        if payment is None:
            return Undelivered("its payment is gone", is_final=True)
        named = {"payment": payment, **named}
        try:
            with at_most(self.patience):
                failed = _failed(signal, sender, named, message.remaining)
        except OutOfTime:
            return Undelivered(f"its receivers had not returned after {self.patience:g} s", is_down=True)
        except SystemExit:
            return Undelivered("a receiver tried to exit")
        if not failed:
            return None
        words = f"{len(failed)} receiver(s) raised: {', '.join(failed)}"
        return Undelivered(words, remaining=tuple(failed) if all(map(_resolved, failed)) else None)

    def _signal_for(self, message: Message) -> tuple[Any, type, dict[str, object]] | None:
        """The signal, the class that the peer sends it from, and what it carries beside the payment."""
        if message.type == "payment.accepted" and message.data.get("source") == "peer":
            # The peer has sent its signal itself.
            return None
        if message.type == "payment.accepted":
            return (
                self._peer.solana_payment_accepted,
                self._verification.VerifyTransactionService,
                {
                    "transaction_status": self._statuses(message.data["status"]),
                    "payment_amount": _whole_tokens(message.data),
                },
            )
        if message.type == "payment.expired":
            return (
                self._peer.solana_payment_expired,
                self._payments.SolanaPaymentsService,
                {"transaction_status": self._statuses.EXPIRED},
            )
        return None


def _failed(
    signal: Any, sender: type, named: Mapping[str, object], remaining: Sequence[str] | None
) -> list[str]:
    """Send it to those receivers, or to all, and name those that raised."""
    if remaining:
        return [name for name in remaining if not _call_again(name, signal, sender, named)]
    # Past the guard that our Django app puts before the peer's own calls.
    answers = type(signal).send_robust(signal, sender=sender, **named)
    return [_name_of(receiver) for receiver, answer in answers if isinstance(answer, Exception)]


def load_django_settings(settings_module: str) -> Any:
    """Django's settings object of a project. Raises `BadSink` where it cannot be loaded, or another is in use here."""
    if os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module) != settings_module:
        used = os.environ["DJANGO_SETTINGS_MODULE"]
        raise BadSink(f"SOLPAY_DJANGO_SETTINGS: is {settings_module}, but DJANGO_SETTINGS_MODULE is {used}")
    try:
        settings = importlib.import_module("django.conf").settings
        # Loaded by the first look at any of them.
        settings.is_overridden("INSTALLED_APPS")
    except Exception as error:  # noqa: BLE001 - the project's own code runs here
        raise _unloadable(settings_module, error) from None
    return settings


def set_up_django(settings_module: str) -> None:
    """`django.setup()` with these settings, unless this process has done so. Raises `BadSink`."""
    load_django_settings(settings_module)
    try:
        if not importlib.import_module("django.apps").apps.ready:
            importlib.import_module("django").setup()
    except Exception as error:  # noqa: BLE001 - the project's own code runs here
        raise _unloadable(settings_module, error) from None


def _unloadable(settings_module: str, error: Exception) -> BadSink:
    kind = str(error) if isinstance(error, ModuleNotFoundError) else describe_foreign(error)
    return BadSink(f"SOLPAY_DJANGO_SETTINGS: {settings_module} cannot be loaded: {kind}")


def _whole_tokens(body: Mapping[str, object]) -> Decimal:
    """What came in of the token that paid, in whole tokens: the peer's `payment_amount`."""
    received, mint, decimals = body["received"], body["mint"], body["decimals"]
    if not isinstance(received, Mapping) or not isinstance(decimals, int):
        raise TypeError("payment.accepted without amounts")
    return Decimal(received[mint]).scaleb(-decimals)


def _call_again(name: str, signal: Any, sender: type, named: Mapping[str, object]) -> bool:
    receiver = _resolved(name)
    if receiver is None:
        return False
    try:
        answer = receiver(signal=signal, sender=sender, **named)
        if inspect.iscoroutine(answer):
            asyncio.run(answer)
    except Exception:  # noqa: BLE001 - as send_robust does; the caller reports the name
        return False
    return True


def _name_of(receiver: Any) -> str:
    return (
        f"{getattr(receiver, '__module__', '?')}:{getattr(receiver, '__qualname__', type(receiver).__name__)}"
    )


def _resolved(name: str) -> Callable[..., object] | None:
    """The function of a name that leads back to it; None for a closure, a bound method or what is gone."""
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if callable(found) and _name_of(found) == name and path.isidentifier() else None
