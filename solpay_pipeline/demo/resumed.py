"""A demo that was played goes on: its chain on its port, a command beside it, and customers who keep paying if wanted.

The command gets the demo's settings and Dagster home. What happens on the chain is kept.
"""

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from solpay_pipeline.demo.folder import CHAIN_FILE, only_with, read_environment
from solpay_pipeline.demo.live import keep_paying
from solpay_pipeline.demo.shop import reopen_shop
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.server import Node, running

# As fast as a real chain is: nobody waits for a demo's jobs in a browser.
_SLOT_SECONDS = 0.3

# What is switched by hand elsewhere runs at once, and often, since somebody is watching.
AUTOMATION: Mapping[str, str] = {
    "SOLPAY_AUTOMATION_RUNNING": "true",
    "SOLPAY_RECHECK_INTERVAL": "10",
    "SOLPAY_MAINTENANCE_CRON": "* * * * *",
    "SOLPAY_REPORTS_CRON": "*/2 * * * *",
}


def run_beside(folder: Path, command: Sequence[str]) -> int:
    """Run the command beside the chain, without any customer; returns its exit code.

    Raises OSError where there is no demo in the folder, its port is taken or the command does not exist, ValueError
    where the chain's file is damaged.
    """
    with _resumed(folder) as (_, environment), _beside(command, environment) as process:
        return process.wait()


def run_live(folder: Path, command: Sequence[str], tell: Callable[[str], None]) -> int:
    """Let customers keep paying until Ctrl-C, or for as long as the command runs where there is one. `tell` hears a
    line of each payment. The command's sensors and schedules run from the start. Returns its exit code, 0 without one.

    Raises as `run_beside`.
    """
    with (
        _resumed(folder) as (node, environment),
        reopen_shop(node, environment["SOLPAY_DATABASE_URL"]) as shop,
    ):
        if not command:
            with _hearing(lambda: None) as heard:
                keep_paying(shop, lambda: bool(heard), tell)
            return 0
        with _beside(command, {**environment, **AUTOMATION}) as process:
            keep_paying(shop, lambda: process.poll() is not None, tell)
            return process.wait()


@contextmanager
def _resumed(folder: Path) -> Iterator[tuple[Node, dict[str, str]]]:
    folder = folder.resolve()
    environment = read_environment(folder)
    path = folder / CHAIN_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    chain = state_file.load(path, ChainConfig(slot_seconds=_SLOT_SECONDS))
    port = urlsplit(environment["SOLPAY_RPC_URLS"]).port or 0
    with running(chain, port=port) as node:
        try:
            yield node, environment
        finally:
            state_file.save(chain, path)


@contextmanager
def _beside(command: Sequence[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The command as a process of its own; the chain stays until it has ended."""
    process = subprocess.Popen(command, env=only_with(environment))  # noqa: S603 - the caller's own
    try:
        with _hearing(process.terminate):
            yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


@contextmanager
def _hearing(on_end: Callable[[], None]) -> Iterator[list[int]]:
    """The signals to stop that came; Ctrl-C reaches a command by itself, of the others it is told by `on_end`."""
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        if number != signal.SIGINT:
            on_end()

    before = {one: signal.signal(one, hear) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield heard
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
