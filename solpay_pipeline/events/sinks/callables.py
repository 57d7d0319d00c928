"""Hands events to a Python callable of the merchant's, named `package.module:function` in the settings.

It runs in a process of its own and gets the event as a dict, the JSON that a webhook posts. Returning in time counts as
taking it. Raising, exiting, crashing, hanging and printing without end count as a failed try, and one callable's
trouble is no other's. A coroutine function is awaited.
"""

import os
from collections.abc import Collection, Sequence

from solpay_pipeline.events.message import BadSink, Message, Report, Undelivered
from solpay_pipeline.events.sinks.handler_process import HandlerProcess, NoHandler

HANDLER_SECONDS = 30
"""For one event, where nothing else is asked for."""


class CallableSink:
    """One callable. `trouble` is why its process did not start, though it may the next time."""

    at_once = 1

    def __init__(
        self, reference: str, *, seconds: int = HANDLER_SECONDS, withheld: Collection[str] = ()
    ) -> None:
        """`withheld` are variables that its process does not get. Raises `BadSink` where there is no such callable."""
        self.name = f"python:{reference}"
        self.patience = float(seconds)
        self.trouble = ""
        environment = {name: value for name, value in os.environ.items() if name not in withheld}
        self._process = HandlerProcess(reference, seconds, environment)
        try:
            self._process.start()
        except NoHandler as missing:
            raise BadSink(f"SOLPAY_EVENT_HANDLERS: {missing}") from None
        except Undelivered as undelivered:
            self.trouble = str(undelivered)

    def __repr__(self) -> str:
        """The name in the settings."""
        return f"CallableSink({self.name})"

    def send(self, messages: Sequence[Message], report: Report) -> None:
        """Call it for one message after the other."""
        for message in messages:
            report(message, self._tell(message))

    def close(self) -> None:
        """End its process."""
        self._process.close()

    def _tell(self, message: Message) -> Undelivered | None:
        try:
            self._process.call(message.encoded().encode())
        except Undelivered as undelivered:
            return undelivered
        return None
