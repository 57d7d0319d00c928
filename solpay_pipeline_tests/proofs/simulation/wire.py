"""The network: requests of our client go straight into the embedded chain's HTTP handler, as ASGI, without a socket.

Everything above and below is real: our transport judges real HTTP responses, the nodes have their faults.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from solpay_pipeline.localnet.server import http
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline_tests.proofs.simulation.process import CURRENT, PointKind


@dataclass(slots=True)
class Network:
    """Nodes by host name. `latency` is the seconds of a way, on average; `on_send` sees each sendTransaction."""

    nodes: dict[str, Node]
    on_send: Callable[[str], None]
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    latency: float = 0.05
    requests: int = 0

    def client(self, **_settings: Any) -> "Wire":
        """What takes the place of an HTTP client's connection pool."""
        return Wire(self)


class _Line:
    """One request's connection."""

    def __init__(self) -> None:
        self.is_cut = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def abort(self) -> None:
        self.is_cut = True

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            self.body += message.get("body", b"")


@dataclass(frozen=True, slots=True)
class Heard:
    """Stands for `aiohttp.ClientResponse`."""

    status: int
    headers: CIMultiDict[str]
    content: "Body"


class Body:
    """Stands for `aiohttp.StreamReader`: all at once, then nothing."""

    def __init__(self, content: bytes) -> None:
        self._parts = [b"", content]

    async def readany(self) -> bytes:
        return self._parts.pop() if self._parts else b""


class Wire:
    """Stands for `aiohttp.ClientSession`."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @asynccontextmanager
    async def post(self, url: URL, *, data: bytes, **_: Any) -> AsyncIterator[Heard]:
        """Raises `aiohttp.ServerDisconnectedError` where the connection is cut."""
        network = self._network
        node = network.nodes[url.host or ""]
        _reach("request")
        await asyncio.sleep(network.dice.expovariate(1 / network.latency))
        request = orjson.loads(data)
        if request["method"] == "sendTransaction":
            network.on_send(request["params"][0])
        network.requests += 1
        line = _Line()

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/", http.TRANSPORT: line, http.PLACE: 1}
        await http.serve(node, scope, receive, line.send)
        _reach("answered")
        await asyncio.sleep(network.dice.expovariate(1 / network.latency))
        if line.is_cut:
            raise aiohttp.ServerDisconnectedError
        headers = CIMultiDict((name.decode(), value.decode()) for name, value in line.headers)
        yield Heard(line.status, headers, Body(line.body))

    async def close(self) -> None:
        """Nothing to close."""


def _reach(kind: PointKind) -> None:
    process = CURRENT.get()
    if process is not None:
        process.reach(kind)
