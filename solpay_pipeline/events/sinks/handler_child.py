"""What runs in the process of a merchant's handler. `handler_process.py` starts it and speaks with it.

Events come in as JSON, a line each; answers go out on a pipe of their own, since standard output is the handler's. A
process that the handler forks hears and answers nothing.
"""

import asyncio
import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from solpay_pipeline.events.message import describe_foreign


def main() -> None:
    """Serve until there are no more lines. The arguments: the handler, the pipe's number, seconds for an event."""
    reference, number, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    events, answers = _private_stdin(), os.fdopen(number, "wb", buffering=0)
    os.set_inheritable(number, False)
    ours = os.getpid()
    os.register_at_fork(after_in_child=lambda: _let_go(events, answers))
    call, complaint = _imported(reference)
    _answer(answers, {"bad": complaint} if complaint else {"ready": True})
    for line in events:
        if call is None:
            return
        # Where the process that started this one was killed, nobody else ends a handler that never returns.
        signal.alarm(seconds)
        raised = _raised(call, json.loads(line))
        signal.alarm(0)
        if os.getpid() != ours:
            os._exit(0)
        _answer(answers, {"raised": raised})


def _private_stdin() -> BinaryIO:
    """Standard input under another number; the handler gets an empty one."""
    own = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return os.fdopen(own, "rb")


def _let_go(events: BinaryIO, answers: BinaryIO) -> None:
    os.close(events.fileno())
    os.close(answers.fileno())


def _imported(reference: str) -> tuple[Callable[[dict[str, Any]], object] | None, str]:
    """The handler, or what is wrong with its name."""
    module_name, _, attribute = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 - importing runs the merchant's code
        kind = describe_foreign(error) if not isinstance(error, ImportError) else str(error)
        return None, f"{module_name} cannot be imported: {kind}"
    call = getattr(module, attribute, None)
    return (call, "") if callable(call) else (None, f"{module_name} has no function {attribute}")


def _raised(call: Callable[[dict[str, Any]], object], event: dict[str, Any]) -> str | None:
    try:
        answer = call(event)
        if inspect.iscoroutine(answer):
            asyncio.run(answer)
    except Exception as error:  # noqa: BLE001 - the merchant's code may raise anything; it is told, not lost
        return describe_foreign(error)
    return None


def _answer(answers: BinaryIO, answer: dict[str, object]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
