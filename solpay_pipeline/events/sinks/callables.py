"""Hands events to a Python callable of the merchant's, named `package.module:function` in the settings.

It gets the event as a dict, the JSON that a webhook posts. Returning counts as taking it, raising as not; one
callable's trouble is no other's. A coroutine function is awaited.
"""

import asyncio
import importlib
import inspect
from collections.abc import Callable, Sequence

from solpay_pipeline.events.message import BadSink, Message, Report, Undelivered, describe_foreign

HANDLER_SECONDS = 300.0
"""A call that lasts longer may be made again elsewhere; it cannot be cut short from here."""


class CallableSink:
    """One callable."""

    at_once = 1
    patience = HANDLER_SECONDS

    def __init__(self, reference: str) -> None:
        """Imports the callable. Raises `BadSink`."""
        self.name = f"python:{reference}"
        self._call = _imported(reference)

    def __repr__(self) -> str:
        """The name in the settings."""
        return f"CallableSink({self.name})"

    def send(self, messages: Sequence[Message], report: Report) -> None:
        """Call it for one message after the other."""
        for message in messages:
            report(message, self._tell(message))

    def close(self) -> None:
        """Nothing is held open."""

    def _tell(self, message: Message) -> Undelivered | None:
        try:
            answer = self._call(message.as_json())
            if inspect.iscoroutine(answer):
                asyncio.run(answer)
        except Exception as error:  # noqa: BLE001 - the merchant's code may raise anything; it is told, not lost
            return Undelivered(f"it raised {describe_foreign(error)}")
        return None


def _imported(reference: str) -> Callable[[dict[str, object]], object]:
    module_name, _, attribute = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 - importing runs the merchant's code
        kind = describe_foreign(error) if not isinstance(error, ImportError) else str(error)
        raise BadSink(f"SOLPAY_EVENT_HANDLERS: {module_name} cannot be imported: {kind}") from None
    call = getattr(module, attribute, None)
    if not callable(call):
        raise BadSink(f"SOLPAY_EVENT_HANDLERS: {module_name} has no function {attribute}")
    checked: Callable[[dict[str, object]], object] = call
    return checked
