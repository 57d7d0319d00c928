"""The embedded chain in a process of its own, taken up from a file: `python -m benchmarks.chain FILE PORT ...`.

The file is not written: every measurement begins with the same chain.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.processes import ROOT, cpu_seconds
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.snapshot import Snapshot
from solpay_pipeline.localnet.server.server import serve

START_SECONDS = 120.0
ACCOUNTS_A_CALL = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """How a chain keeps time: seconds a slot, and slots until a transaction counts as confirmed."""

    name: str
    slot_seconds: float
    confirmed_lag: int


AT_ONCE = Pace("at once", 0.4, 0)
"""A transaction is confirmed as soon as it is sent: the best that can happen to who waits for each."""

LIKE_MAINNET = Pace("0.8 s", 0.4, 2)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a node was asked since the last reset."""

    calls: int
    requests: int
    connections: int
    methods: dict[str, int]


class LocalChain:
    """A running chain, seen through its own admin calls, which it neither counts nor delays."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            decoded = json.load(answer)
        if "error" in decoded:
            raise RuntimeError(f"{method}: {decoded['error']}")
        return decoded["result"]

    def set_latency(self, seconds: float) -> None:
        self.call("localnet_setFaults", [{"kind": "latency", "seconds": seconds}] if seconds else [])

    def set_faults(self, faults: Sequence[dict[str, Any]]) -> None:
        self.call("localnet_setFaults", list(faults))

    def reset(self) -> None:
        self.call("localnet_calls", True)

    def counted(self) -> Counted:
        found = self.call("localnet_calls", False)
        calls = sum(found["calls"].values())
        # The connection that asks is no client's.
        return Counted(calls, found["requests"], found["connections"] - 1, found["calls"])

    def signatures(self, address: str, until: str | None = None) -> list[str]:
        """What landed for an address after `until`, newest first."""
        found: list[str] = []
        while True:
            options = {"limit": 1000, "commitment": "confirmed"}
            options |= {"until": until} if until else {}
            options |= {"before": found[-1]} if found else {}
            page = self.call("getSignaturesForAddress", address, options)
            found += [one["signature"] for one in page]
            if len(page) < 1000:
                return found

    def paid(self, signatures: Sequence[str]) -> tuple[int, int]:
        """How many signatures these transactions carried, and lamports of fee."""
        count = fee = 0
        options = {"maxSupportedTransactionVersion": 1, "encoding": "json", "commitment": "confirmed"}
        for signature in signatures:
            found = self.call("getTransaction", signature, options)
            count += len(found["transaction"]["signatures"])
            fee += found["meta"]["fee"]
        return count, fee

    def accounts(self, addresses: Sequence[str]) -> list[dict[str, Any] | None]:
        found: list[dict[str, Any] | None] = []
        for start in range(0, len(addresses), ACCOUNTS_A_CALL):
            chunk = list(addresses[start : start + ACCOUNTS_A_CALL])
            options = {"encoding": "base64", "commitment": "processed"}
            found += self.call("getMultipleAccounts", chunk, options)["value"]
        return found

    def token_balance(self, account: str) -> int:
        return int(
            self.call("getTokenAccountBalance", account, {"commitment": "processed"})["value"]["amount"]
        )

    def cpu(self) -> float:
        return cpu_seconds(self.pid)


@contextmanager
def started(state: Path, pace: Pace = AT_ONCE) -> Iterator[LocalChain]:
    """A chain from a file, until the block ends."""
    options = [str(pace.slot_seconds), str(pace.confirmed_lag)]
    with serving(lambda port: ["-m", "benchmarks.chain", str(state), str(port), *options]) as chain:
        yield chain


@contextmanager
def serving(arguments: Callable[[int], Sequence[str]]) -> Iterator[LocalChain]:
    """A chain that Python with these arguments serves on a port of our choice, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, *arguments(port)], cwd=ROOT)
    chain = LocalChain(port, process.pid)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                chain.call("getHealth")
                break
            except (urllib.error.URLError, ConnectionError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield chain
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    state, port, slot_seconds, confirmed_lag = sys.argv[1:5]
    snapshot = Snapshot.from_json(orjson.loads(Path(state).read_bytes()))
    config = replace(
        snapshot.config, slot_seconds=float(slot_seconds), confirmed_lag=int(confirmed_lag), clock="wall"
    )
    away = max(time.time() - snapshot.taken_at, 0.0)
    serve(Chain.resumed(replace(snapshot, config=config), away), port=int(port))


if __name__ == "__main__":
    main()
