"""Handlers as a merchant writes them, good and bad. What they did is in the file that `HANDLED` names."""

import ctypes
import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def note(**words: Any) -> None:
    with Path(os.environ["HANDLED"]).open("a") as file:
        file.write(json.dumps(words) + "\n")


def take(event: dict[str, Any]) -> None:
    note(took=event)


async def take_async(event: dict[str, Any]) -> None:
    note(awaited=event)


def refuse(event: dict[str, Any]) -> None:
    note(refused=event["id"])
    raise ValueError("the password is hunter2")


def change_and_take(event: dict[str, Any]) -> None:
    event["data"]["payment_id"] = "changed"


def tell_environment(_event: dict[str, Any]) -> None:
    note(environment=dict(os.environ), arguments=sys.argv)


def exit_well(_event: dict[str, Any]) -> None:
    sys.exit()


def exit_at_once(_event: dict[str, Any]) -> None:
    os._exit(7)


def crash(_event: dict[str, Any]) -> None:
    ctypes.string_at(0)


def hang(_event: dict[str, Any]) -> None:
    note(hangs=os.getpid())
    while True:
        try:
            time.sleep(60)
        except BaseException:  # noqa: BLE001 - nothing but its end ends it
            continue


def flood(_event: dict[str, Any]) -> None:
    while True:
        sys.stdout.write("flood " * 1_000)


def steer(_event: dict[str, Any]) -> None:
    print("\x1b[2J\x9b2Ktwo\nlines")


def fork_and_return(event: dict[str, Any]) -> None:
    """The child comes back out of the handler too."""
    if os.fork() == 0:
        return
    note(took=event)


def fork_and_hang(event: dict[str, Any]) -> None:
    """What it leaves behind holds every pipe open that it can."""
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note(took=event)
    os._exit(0)


def close_everything(_event: dict[str, Any]) -> None:
    os.closerange(0, 256)
    time.sleep(600)


not_callable = 5
