"""A node on a port: JSON-RPC over HTTP, single calls and batches, and those faults that HTTP itself can show.

`running` serves from a thread, for tests; `serve` blocks, for the command line. Connections are kept alive and
counted.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from solpay_pipeline.localnet.engine import Chain
from solpay_pipeline.localnet.faults import Fault, Faults
from solpay_pipeline.localnet.node import Node

__all__ = ["DEFAULT_PORT", "Node", "running", "serve"]

DEFAULT_PORT = 8_899
"""Where solana-test-validator listens."""

_TRANSPORT = "solpay.transport"
_START_SECONDS = 15.0
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 512


@contextmanager
def running(
    chain: Chain, host: str = "127.0.0.1", port: int = 0, faults: Faults | None = None
) -> Iterator[Node]:
    """Serves the chain from a thread until the block ends. Any process may talk to `node.url`; port 0
    picks a free one.

    Raises OSError where the port is taken, RuntimeError where the server does not come up.
    """
    node = Node(chain, faults or Faults(chain.config.seed))
    listener = _listen(host, port)
    server = uvicorn.Server(_config(node))
    node.url = _url(listener)
    thread = threading.Thread(target=server.run, args=([listener],), name="solpay-localnet", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the local chain's server did not start")
            time.sleep(0.005)
        yield node
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(_START_SECONDS)
        listener.close()


def serve(chain: Chain, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
    """Serves the chain until interrupted. Raises OSError where the port is taken."""
    node = Node(chain, Faults(chain.config.seed))
    listener = _listen(host, port)
    node.url = _url(listener)
    try:
        uvicorn.Server(_config(node)).run([listener])
    finally:
        listener.close()


def application(node: Node) -> Starlette:
    """The ASGI application of a node: POST / for JSON-RPC, GET /health as on a validator."""

    async def rpc(request: Request) -> Response:
        return await _respond(node, request)

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", rpc, methods=["POST"]), Route("/health", health)])


async def _respond(node: Node, request: Request) -> Response:
    raw = await request.body()
    try:
        methods = node.methods_of(json.loads(raw))
    except ValueError:
        methods = []
    node.count(methods)
    hits = node.strike(methods)
    for fault in hits:
        if fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
    for fault in hits:
        match fault.kind:
            case "drop_before":
                return await _hang_up(request)
            case "rate_limit":
                return _too_many_requests(fault)
            case "server_error":
                page = f"<html><body><h1>{fault.status}</h1></body></html>"
                return Response(page, status_code=fault.status, media_type="text/html")
    answer = node.answer(raw, hits)
    kinds = {fault.kind for fault in hits}
    if "drop_after" in kinds:
        return await _hang_up(request)
    if "truncate" in kinds:
        answer = answer[: len(answer) // 2]
    return Response(answer, media_type="application/json")


def _too_many_requests(fault: Fault) -> Response:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    body = json.dumps({"jsonrpc": "2.0", "error": {"code": 429, "message": fault.message}, "id": None})
    return Response(body, status_code=429, headers=headers, media_type="application/json")


async def _hang_up(request: Request) -> Response:
    transport: asyncio.Transport = request.scope[_TRANSPORT]
    transport.abort()
    # The protocol learns of the lost connection in the next turn of the loop, and drops the answer below.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return Response(status_code=503)


def _config(node: Node) -> uvicorn.Config:
    class CountingProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        """Counts connections; tells the application which one a request came by, so that it can be cut."""

        app: Any

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            node.connections += 1
            served = self.app

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await served({**scope, _TRANSPORT: transport}, receive, send)

            self.app = app

    return uvicorn.Config(
        application(node),
        http=CountingProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), backlog=_BACKLOG)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
