"""A merchant's handler in a process of its own: whatever it does there, this process goes on, and in time.

It has the same user and none of our secrets in its environment. That keeps them from error reporters, dumps and
mistakes; from a handler that means harm only another user would.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from solpay_pipeline.base.text import harmless
from solpay_pipeline.events.message import Undelivered

MOST_BYTES: Final = 65_536
"""Of what a handler prints during one event; who prints more is ended."""

_CHILD: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from solpay_pipeline.events.sinks.handler_child import main; main()"
)
"""The path of imports first: a handler is found where this process would find it."""

# Beyond our own limit, so that it tells what happened while this process lives.
_ALARM_MARGIN_SECONDS: Final = 5

# From the end of what is heard to the end of the process.
_ENDING_SECONDS: Final = 1.0


class NoHandler(Undelivered):
    """There is no such handler: its module is not imported, or has no function of that name."""


@dataclass(slots=True)
class _Child:
    """A process, and our ends of the pipes to it. `unread` was heard behind the last answer."""

    process: "subprocess.Popen[bytes]"
    requests: int
    answers: int
    output: int
    unread: bytes = b""


class HandlerProcess:
    """One handler. `seconds` is for an event, the start of its process included where it has to be started."""

    def __init__(self, reference: str, seconds: int, environment: Mapping[str, str]) -> None:
        """Nothing is started yet."""
        self._reference = reference
        self._seconds = seconds
        self._environment = environment
        self._child: _Child | None = None

    def start(self) -> None:
        """Start and import. Raises `NoHandler`, and `Undelivered` where the import ends, hangs or floods."""
        self._running(time.monotonic() + self._seconds)

    def call(self, event: bytes) -> None:
        """Have one event handled, a line of JSON. Raises `Undelivered`; the next call starts the process anew."""
        deadline = time.monotonic() + self._seconds
        raised = self._exchange(self._running(deadline), event + b"\n", deadline).get("raised")
        if raised is not None:
            raise Undelivered(f"it raised {harmless(str(raised))}")

    def close(self) -> None:
        """End the process, and all that it has started in its group."""
        child, self._child = self._child, None
        if child is not None:
            _end(child)

    def _running(self, deadline: float) -> _Child:
        if self._child is None:
            self._child = self._started()
            complaint = self._exchange(self._child, b"", deadline).get("bad")
            if complaint is not None:
                self.close()
                raise NoHandler(harmless(str(complaint)), is_down=True)
        return self._child

    def _started(self) -> _Child:
        (asked, requests), (answers, answering), (output, printing) = (os.pipe() for _ in range(3))
        patience = str(self._seconds + _ALARM_MARGIN_SECONDS)
        arguments = [json.dumps(sys.path), self._reference, str(answering), patience]
        try:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with a name from the settings
                [sys.executable, "-c", _CHILD, *arguments],
                stdin=asked,
                stdout=printing,
                stderr=printing,
                env=self._environment,
                pass_fds=[answering],
                start_new_session=True,
            )
        finally:
            for theirs in (asked, answering, printing):
                os.close(theirs)
        os.set_blocking(requests, False)
        return _Child(process, requests, answers, output)

    def _exchange(self, child: _Child, request: bytes, deadline: float) -> dict[str, Any]:
        """Hand over a request and take the answer. Raises `Undelivered`; the process is ended then."""
        try:
            with selectors.DefaultSelector() as ready:
                return _Exchange(child, request, deadline, ready).answer(self._seconds)
        except Undelivered:
            self.close()
            raise
        except (ValueError, BrokenPipeError):
            self.close()
            raise Undelivered("its process could not be spoken with") from None


@dataclass(slots=True)
class _Exchange:
    """One request and its answer, until a deadline, by the clock of `time.monotonic`."""

    child: _Child
    request: bytes
    deadline: float
    ready: selectors.BaseSelector
    printed: int = 0

    def answer(self, seconds: int) -> dict[str, Any]:
        """Raises `Undelivered` where the process ends, floods, or has not answered after these seconds."""
        child, ready = self.child, self.ready
        ready.register(child.answers, selectors.EVENT_READ, self._hear)
        ready.register(child.output, selectors.EVENT_READ, self._show)
        if self.request:
            ready.register(child.requests, selectors.EVENT_WRITE, self._hand_over)
        while b"\n" not in child.unread:
            left = self.deadline - time.monotonic()
            chosen = ready.select(left) if left > 0 else []
            if not chosen:
                raise Undelivered(f"it had not returned after {seconds} s", is_down=True)
            for key, _ in chosen:
                key.data()
        line, _, child.unread = child.unread.partition(b"\n")
        found = json.loads(line)
        return found if isinstance(found, dict) else {}

    def _hand_over(self) -> None:
        self.request = self.request[os.write(self.child.requests, self.request) :]
        if not self.request:
            self.ready.unregister(self.child.requests)

    def _hear(self) -> None:
        piece = os.read(self.child.answers, MOST_BYTES)
        if not piece:
            raise Undelivered(_how_it_ended(self.child))
        self.child.unread += piece
        _check_size(len(self.child.unread))

    def _show(self) -> None:
        """What handlers print stays in the log of the run, beside its own words."""
        piece = os.read(self.child.output, MOST_BYTES)
        if not piece:
            self.ready.unregister(self.child.output)
        self.printed += len(piece)
        _check_size(self.printed)
        sys.stderr.write(harmless(piece.decode(errors="replace"), keep="\n\t"))


def _check_size(count: int) -> None:
    if count > MOST_BYTES:
        raise Undelivered(f"it printed more than {MOST_BYTES} bytes")


def _how_it_ended(child: _Child) -> str:
    """In words; the process has let go of the pipe that it answers on, and is about to end."""
    try:
        code = child.process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return "it closed the pipe that it is heard on"
    return f"its process was killed by {signal.Signals(-code).name}" if code < 0 else f"it exited with {code}"


def _end(child: _Child) -> None:
    """Leave nothing of its group behind. It is given no time: what it was handed and has not taken is tried again."""
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
    for pipe in (child.requests, child.answers, child.output):
        os.close(pipe)
