"""The places that events are delivered to, as the settings name them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.events.message import BadSink, Sink, Undelivered
from solpay_pipeline.events.relay import DeliveryOptions, DeliveryOutcome, deliver_events
from solpay_pipeline.events.sinks.callables import CallableSink
from solpay_pipeline.events.sinks.django_signals import DjangoSink
from solpay_pipeline.events.sinks.webhook import WebhookSink
from solpay_pipeline.settings.model import Settings


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
                )
            )
        sinks += [CallableSink(reference) for reference in settings.event_handlers]
        if settings.django_settings is not None:
            sinks.append(DjangoSink(settings.django_settings))
        for sink in sinks:
            stack.callback(sink.close)
        yield sinks


def look_at_sinks(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Of each place its name, what fits, and what does not (empty where all does). Nothing is sent anywhere."""
    if settings.webhook_url is not None:
        sink = WebhookSink(settings.webhook_url, (), allow_private=settings.webhook_allow_private)
        try:
            yield sink.name, f"its host has the address {', '.join(sink.look_up())}", ""
        except Undelivered as undelivered:
            yield sink.name, "", str(undelivered)
        finally:
            sink.close()
    for reference in settings.event_handlers:
        yield f"python:{reference}", "is imported", _complaint(partial(CallableSink, reference))
    module = settings.django_settings
    if module is not None:
        yield "django", f"{module} and its signals load", _complaint(partial(DjangoSink, module))


def _complaint(made: Callable[[], Sink]) -> str:
    try:
        made().close()
    except BadSink as bad:
        return str(bad)
    return ""


def deliver_now(
    settings: Settings, run_id: str, max_runtime_seconds: float | None, *, dry_run: bool
) -> DeliveryOutcome:
    """Deliver what waits, or in a dry run only open what it would take.

    Raises `BadSink`, `DatabaseProblem`.
    """
    engine = open_engine(settings.database_url.get_secret_value())
    options = DeliveryOptions(tries=settings.event_tries, max_runtime_seconds=max_runtime_seconds)
    try:
        with open_sinks(settings) as sinks:
            return deliver_events(engine, [] if dry_run else sinks, options, run_id)
    finally:
        engine.dispose()
