"""The places that events are delivered to, as the settings name them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from solpay_pipeline.events.message import BadSink, Sink, Undelivered
from solpay_pipeline.events.sinks.callables import CallableSink
from solpay_pipeline.events.sinks.django_signals import DjangoSink
from solpay_pipeline.events.sinks.webhook import WebhookSink
from solpay_pipeline.settings.model import SETTINGS, Settings

_SECRETS = frozenset(row.name for row in SETTINGS if row.kind.is_secret)


@dataclass(frozen=True, slots=True)
class Sinks:
    """`names` are those of the ledger, `tries` is how often an event is tried at each; `open` raises `BadSink`."""

    names: tuple[str, ...]
    tries: int
    open: Callable[[], AbstractContextManager[list[Sink]]]


def sinks_of(settings: Settings) -> Sinks:
    """Nothing is imported or opened yet."""
    return Sinks(tuple(sink_names(settings)), settings.event_tries, partial(open_sinks, settings))


def sink_names(settings: Settings) -> list[str]:
    """By what each place is known in the ledger; nothing is imported or opened."""
    names = ["webhook"] if settings.webhook_url is not None else []
    names += [f"python:{reference}" for reference in settings.event_handlers]
    return [*names, "django"] if settings.django_settings is not None else names


@contextmanager
def open_sinks(settings: Settings) -> Iterator[list[Sink]]:
    """Import and set up what is needed to deliver. Raises `BadSink` before anything is sent."""
    with ExitStack() as stack:
        sinks: list[Sink] = []
        if settings.webhook_url is not None:
            sinks.append(
                WebhookSink(
                    settings.webhook_url,
                    settings.webhook_secrets,
                    allow_private=settings.webhook_allow_private,
                    proxy=settings.webhook_proxy,
                )
            )
            stack.callback(sinks[-1].close)
        for reference in settings.event_handlers:
            sinks.append(_handler(settings, reference))
            stack.callback(sinks[-1].close)
        if settings.django_settings is not None:
            sinks.append(_django(settings, settings.django_settings))
            stack.callback(sinks[-1].close)
        yield sinks


def look_at_sinks(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Of each place its name, what fits, and what does not (empty where all does). Nothing is sent anywhere."""
    if settings.webhook_url is not None:
        sink = WebhookSink(
            settings.webhook_url,
            (),
            allow_private=settings.webhook_allow_private,
            proxy=settings.webhook_proxy,
        )
        way = "has the address" if settings.webhook_proxy is None else "is looked up by the proxy:"
        try:
            yield sink.name, f"its host {way} {', '.join(sink.look_up())}", ""
        except Undelivered as undelivered:
            yield sink.name, "", str(undelivered)
        finally:
            sink.close()
    for reference in settings.event_handlers:
        yield f"python:{reference}", "is imported", _complaint(partial(_handler, settings, reference))
    module = settings.django_settings
    if module is not None:
        yield "django", f"{module} and its signals load", _complaint(partial(_django, settings, module))


def _handler(settings: Settings, reference: str) -> CallableSink:
    return CallableSink(reference, seconds=settings.event_handler_timeout, withheld=_SECRETS)


def _django(settings: Settings, module: str) -> DjangoSink:
    return DjangoSink(module, seconds=settings.event_handler_timeout)


def _complaint(made: Callable[[], CallableSink | DjangoSink]) -> str:
    try:
        sink = made()
    except BadSink as bad:
        return str(bad)
    sink.close()
    return sink.trouble
