"""A node on a port: JSON-RPC over HTTP and subscriptions over WebSocket.

`running` serves from a thread, for tests; `serve` blocks, for the command line. Connections are kept alive and counted.
"""

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server import http, state_file, web_socket
from solpay_pipeline.localnet.server.faults import Faults
from solpay_pipeline.localnet.server.node import Node

__all__ = ["DEFAULT_PORT", "Node", "running", "serve"]

DEFAULT_PORT = 8_899
"""Where solana-test-validator listens. Its WebSockets are one port higher, and so clients look for them there."""

_log = logging.getLogger(__name__)

_START_SECONDS = 15.0
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 512
_SAVE_SECONDS = 30.0


@contextmanager
def running(
    chain: Chain,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Faults | None = None,
    lag: int = 0,
    history_slots: int | None = None,
) -> Iterator[Node]:
    """Serves the chain from a thread until the block ends. Any process may use `node.url`; port 0 picks a free one.
    Several endpoints may serve one chain: `lag` slots behind it, or with a history of `history_slots` only (0: none).

    WebSockets are served on the same port, and on the next one where a port was given and the next is free. Raises
    OSError where the port is taken, RuntimeError where the server does not start.
    """
    node = Node(chain, faults or Faults(chain.config.seed), lag=lag, history_slots=history_slots)
    listeners = _listen(host, port)
    server = uvicorn.Server(_config(node))
    node.url = _url(listeners[0])

    def run() -> None:
        with chain.in_this_thread():
            server.run(listeners)

    thread = threading.Thread(target=run, name="solpay-localnet", daemon=True)
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
        for listener in listeners:
            listener.close()


def serve(
    chain: Chain,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    faults: Faults | None = None,
    state: Path | None = None,
    history_slots: int | None = None,
    lagging: tuple[int, int] | None = None,
) -> None:
    """Serves the chain until SIGINT or SIGTERM; with `lagging`, a second endpoint on that port that many slots behind.

    With `state` the chain is written to that file every half minute in which something happened, and at the end.
    Raises OSError where a port is taken or the file cannot be written.
    """
    stop = threading.Event()
    with _stopped_by_signals(stop), running(chain, host, port, faults, 0, history_slots) as node:
        if state is not None:
            node.save = _saving(chain, state)
        if lagging is None:
            _wait(stop, node, chain)
        else:
            second_port, slots = lagging
            with running(chain, host, second_port, lag=slots, history_slots=history_slots):
                _wait(stop, node, chain)
    if node.save is not None:
        node.save()


def _saving(chain: Chain, state: Path) -> Callable[[], None]:
    return lambda: state_file.save(chain, state)


def _wait(stop: threading.Event, node: Node, chain: Chain) -> None:
    saved = chain.history.count()
    while not stop.wait(_SAVE_SECONDS):
        landed = chain.history.count()
        if node.save is not None and landed != saved:
            node.save()
            saved = landed


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread gets signals. Serving from another one ends with the process.
        yield
        return
    before = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def application(node: Node) -> Callable[..., Any]:
    """The ASGI application of a node."""

    async def serve_scope(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await web_socket.serve(node, receive, send)
        else:
            await http.serve(node, scope, receive, send)

    return serve_scope


def _config(node: Node) -> uvicorn.Config:
    open_connections = 0

    class CountingProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        """Counts connections and puts a request's own into its scope, so that it can be cut."""

        app: Any

        def connection_made(self, transport: asyncio.Transport) -> None:
            nonlocal open_connections
            super().connection_made(transport)
            node.connections += 1
            open_connections += 1
            served, place = self.app, open_connections

            async def app(scope: Any, receive: Any, send: Any) -> None:
                scope[http.TRANSPORT] = transport
                scope[http.PLACE] = place
                await served(scope, receive, send)

            self.app = app

        def connection_lost(self, exc: Exception | None) -> None:
            nonlocal open_connections
            open_connections -= 1
            super().connection_lost(exc)

    return uvicorn.Config(
        application(node),
        interface="asgi3",
        http=CountingProtocol,
        ws="websockets-sansio",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> list[socket.socket]:
    listeners = [socket.create_server((host, port), backlog=_BACKLOG)]
    if port:
        try:
            listeners.append(socket.create_server((host, port + 1), backlog=_BACKLOG))
        except (OSError, OverflowError) as error:
            _log.warning("no WebSockets on port %d (%s); port %d takes them too", port + 1, error, port)
    return listeners


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
