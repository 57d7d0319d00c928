"""What a sink is handed, and how it says that it could not take it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from solpay_pipeline.base.errors import AboutOneRow, NeedsOperator


@dataclass(frozen=True, slots=True)
class Message:
    """One event on its way to one sink. `id` is the same at every try.

    `remaining` names the parts of the sink that have not taken it yet; None where all have to, or none is known.
    """

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, object]
    remaining: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, object]:
        """The event as every receiver sees it."""
        return {
            "id": self.id,
            "type": self.type,
            "timestamp": self.timestamp.isoformat(),
            "data": dict(self.data),
        }

    def encoded(self) -> str:
        """The same JSON text at every try."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class Undelivered(AboutOneRow):
    """A sink did not take a message. The text is one line and holds no secret: no URL, no foreign exception's words.

    `is_down` says that the sink as a whole seems out of reach, so that others need not be tried now. `is_final` says
    that no later try can help. `retry_after` is in seconds, where the sink asked for it.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_down: bool = False,
        is_final: bool = False,
        retry_after: float | None = None,
        remaining: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(reason)
        self.is_down = is_down
        self.is_final = is_final
        self.retry_after = retry_after
        self.remaining = remaining


class BadSink(NeedsOperator):
    """A sink cannot work as configured; the text begins with the setting's name."""


Report = Callable[[Message, Undelivered | None], None]
"""Told of each message as soon as it is known whether it was taken."""


class Sink(Protocol):
    """Takes messages, up to `at_once` together, and reports on each within `patience` seconds."""

    @property
    def name(self) -> str:
        """Stable from run to run: what was taken is remembered by it."""
        ...

    @property
    def at_once(self) -> int:
        """How many messages a call of `send` may have."""
        ...

    @property
    def patience(self) -> float:
        """Seconds after which a call that has not reported is taken for dead."""
        ...

    def send(self, messages: Sequence[Message], report: Report) -> None:
        """Send messages of different payments, in any order."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def describe_foreign(error: BaseException) -> str:
    """Kind and place of an exception of code that is not ours; its words may hold what nobody should read."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return type(error).__name__
    code = last.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_name} ({_short(code.co_filename)}:{last.tb_lineno})"


def _short(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").split("/")[-2:])
