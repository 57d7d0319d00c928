"""JSON-RPC over HTTP as ASGI: single calls and batches, and the faults that concern HTTP."""

import asyncio
import json
from typing import Any

from solpay_pipeline.localnet.chain.errors import RpcError
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.node import Node, parsed

TRANSPORT = "solpay.transport"
PLACE = "solpay.place"
"""Members of the ASGI scope: the connection, and how many were open when it was made."""

_JSON = (b"content-type", b"application/json")
_HTML = (b"content-type", b"text/html")
_TEXT = (b"content-type", b"text/plain")
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST, GET, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)
_DRIPS = 20

Header = tuple[bytes, bytes]


async def serve(node: Node, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One request: POST / for JSON-RPC, GET /health as on a validator, OPTIONS for browsers."""
    match scope["method"], scope["path"]:
        case "POST", "/":
            await _respond(node, scope, await _body(receive), send)
        case "GET", "/health":
            await _answer(send, 200, _health(node), _TEXT)
        case "OPTIONS", _:
            await _answer(send, 204, b"", *_PREFLIGHT)
        case _, "/":
            await _answer(send, 405, b"Used HTTP Method is not allowed. POST or OPTIONS is required\n", _TEXT)
        case _:
            await _answer(send, 404, b"Not Found\n", _TEXT)


async def _respond(node: Node, scope: dict[str, Any], raw: bytes, send: Any) -> None:
    body = parsed(raw)
    methods = node.methods_of(body)
    node.count(methods)
    hits = node.strike(methods, scope[PLACE], body)
    if hits:
        await _respond_badly(node, scope, body, hits, send)
    else:
        await _answer(send, 200, node.reply(body, hits), _JSON)


async def _respond_badly(
    node: Node, scope: dict[str, Any], body: object, hits: list[Fault], send: Any
) -> None:
    for fault in hits:
        if fault.kind == "latency":
            await asyncio.sleep(node.faults.delay(fault))
    for fault in hits:
        match fault.kind:
            case "drop_before":
                await _hang_up(scope)
                return
            case "rate_limit" | "request_limit" | "connection_limit":
                await _too_many_requests(node, fault, send)
                return
            case "server_error":
                page = f"<html><body><h1>{fault.status}</h1></body></html>"
                await _answer(send, fault.status, page.encode(), _HTML)
                return
    answer = node.reply(body, hits)
    kinds = {fault.kind: fault for fault in hits}
    if "drop_after" in kinds:
        await _hang_up(scope)
        return
    if "truncate" in kinds:
        answer = answer[: len(answer) // 2]
    slow = kinds.get("slow_body")
    if slow is None:
        await _answer(send, 200, answer, _JSON)
    else:
        await _drip(send, answer, node.faults.delay(slow))


async def _drip(send: Any, body: bytes, seconds: float) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _headers(body, (_JSON,))})
    size = max(len(body) // _DRIPS, 1)
    drops = [body[start : start + size] for start in range(0, len(body), size)]
    for drop in drops:
        await asyncio.sleep(seconds / len(drops))
        await send({"type": "http.response.body", "body": drop, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _too_many_requests(node: Node, fault: Fault, send: Any) -> None:
    wait = node.faults.retry_after(fault)
    headers = [_JSON] if wait is None else [_JSON, (b"retry-after", f"{wait:g}".encode())]
    error = RpcError(429, fault.message).as_json()
    body = json.dumps({"jsonrpc": "2.0", "error": error, "id": None})
    await _answer(send, 429, body.encode(), *headers)


async def _hang_up(scope: dict[str, Any]) -> None:
    transport: asyncio.Transport = scope[TRANSPORT]
    transport.abort()
    # The protocol notices the lost connection in the next two iterations of the event loop, and then expects no answer.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _health(node: Node) -> bytes:
    try:
        node.view.check_health()
    except RpcError:
        return b"behind"
    return b"ok"


async def _body(receive: Any) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        return whole
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _answer(send: Any, status: int, body: bytes, *headers: Header) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _headers(body, headers)})
    await send({"type": "http.response.body", "body": body})


def _headers(body: bytes, headers: tuple[Header, ...]) -> list[Header]:
    return [*headers, _ANY_ORIGIN, (b"content-length", str(len(body)).encode())]
