"""A node that answers what a test tells it to, over a real socket: for bodies that no honest node sends."""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from solpay_pipeline.chain.rpc.client import Endpoint

if TYPE_CHECKING:
    from solpay_pipeline.localnet.chain.engine import Chain


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. `drop` closes the connection without it; `drip` is the pause between two of its bytes."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    drip: float = 0.0


Answer = Callable[[dict[str, Any]], Reply]


def result(value: object) -> Answer:
    """A good answer with this result."""
    return lambda request: Reply(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value}))


def error(code: object, message: str = "no", data: object = None, **more: Any) -> Answer:
    """A good refusal: the request's id and an error member."""
    member = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return lambda request: Reply(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": member}), **more)


def verbatim(body: str, **more: Any) -> Answer:
    """These bytes, whatever was asked."""
    return lambda request: Reply(body, **more)


class ScriptedNode:
    """Answers by method; a list of answers is used up one by one, its last one stays. Use as a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None, **answers: Answer | list[Answer]) -> None:
        self.answers = answers
        self.tls = tls
        self.requests: list[dict[str, Any]] = []
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.host = ""

    def endpoint(self, path: str = "") -> Endpoint:
        """Where this node listens."""
        return Endpoint(SecretStr(f"http{'s' if self.tls else ''}://{self.host}{path}"))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        host, port = self._server.sockets[0].getsockname()
        self.host = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
                }
                request = json.loads(await reader.readexactly(int(headers["content-length"])))
                self.requests.append(request)
                self.targets.append(head[0].split(" ")[1])
                self.headers.append(headers)
                reply = self._reply(request)
                if reply.drop:
                    return
                await self._write(writer, reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _reply(self, request: dict[str, Any]) -> Reply:
        answer = self.answers[request["method"]]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer(request)

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        body = reply.body.encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body))} | reply.headers
        lines = [f"HTTP/1.1 {reply.status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if not reply.drip:
            writer.write(body)
        for byte in body if reply.drip else b"":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(reply.drip)
        await writer.drain()


@dataclass(slots=True)
class FakeTime:
    """A clock that only sleeping moves; a chain with a manual clock moves with it."""

    now: float = 1_000.0
    chain: "Chain | None" = None
    slept: list[float] = field(default_factory=list)
    _chain_is_at: float = 1_000.0

    def clock(self) -> float:
        """Seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        wake = self.now + seconds
        # Whoever else runs may have slept longer in the meantime.
        await asyncio.sleep(0)
        self.now = max(self.now, wake)
        if self.chain is not None:
            slots = int((self.now - self._chain_is_at) / self.chain.config.slot_seconds)
            self._chain_is_at += slots * self.chain.config.slot_seconds
            if slots > 0:
                self.chain.advance(slots)
