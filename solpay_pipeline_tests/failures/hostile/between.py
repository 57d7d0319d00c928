"""A real HTTP proxy between us and the node: it passes every request on, and may tell us something else than it heard."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Told:
    """An HTTP answer."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Lie = Callable[[dict[str, Any], bytes], Told]
"""What to tell instead: of the request and the honest answer."""


@dataclass
class Between:
    """`lie` is told of the methods in `methods` (none: of all) so many `times`; `asked` are all requests, in order."""

    url: str = ""
    lie: Lie | None = None
    methods: frozenset[str] = frozenset()
    times: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    lied: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, lie: Lie, *methods: str, times: int | None = None) -> None:
        with self._lock:
            self.lie, self.methods, self.times, self.lied = lie, frozenset(methods), times, 0

    def be_honest(self) -> None:
        with self._lock:
            self.lie = None

    def told(self, request: dict[str, Any], honest: bytes) -> Told:
        with self._lock:
            self.asked.append(request)
            lie = self.lie
            if lie is None or (self.methods and request["method"] not in self.methods) or self.times == 0:
                return Told(honest)
            self.times = None if self.times is None else self.times - 1
            self.lied += 1
        return lie(request, honest)


@contextmanager
def between(upstream: str) -> Iterator[Between]:
    """A proxy in front of the node at `upstream`, until the block ends."""
    proxy = Between()
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            self.node = http.client.HTTPConnection(host)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self.node.request("POST", "/", raw, {"Content-Type": "application/json"})
            told = proxy.told(json.loads(raw), self.node.getresponse().read())
            self.send_response_only(told.status)
            for name, value in {"Content-Type": "application/json", **told.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def finish(self) -> None:
            self.node.close()
            super().finish()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up on a bad answer is what we are here for."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
