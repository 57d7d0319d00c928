"""Subscriptions over one WebSocket as ASGI. The chain has no thread that could push news, so each socket with
subscriptions polls for them, several times a slot.
"""

import asyncio
from contextlib import suppress
from typing import Any

import orjson

from solpay_pipeline.localnet.chain.errors import INVALID_REQUEST, PARSE_ERROR, RpcError, invalid_params
from solpay_pipeline.localnet.rpc.subscriptions import Subscriptions
from solpay_pipeline.localnet.server.node import UNREADABLE, Node, failure, parsed, refuse

_LOOKS_PER_SLOT = 4
_FASTEST_LOOK_SECONDS = 0.005
_SLOWEST_LOOK_SECONDS = 0.05

_GOING_AWAY = 1001


async def serve(node: Node, receive: Any, send: Any) -> None:
    """One connection, until either side closes it."""
    await receive()
    await send({"type": "websocket.accept"})
    subscriptions = Subscriptions(node.view)
    pusher = asyncio.create_task(_push(node, subscriptions, send))
    try:
        while (message := await receive())["type"] == "websocket.receive":
            answer = _answer(node, subscriptions, message.get("text") or message.get("bytes") or b"")
            if answer is None:
                continue
            if answer == b"":
                await send({"type": "websocket.close", "code": _GOING_AWAY})
                return
            await send({"type": "websocket.send", "text": answer.decode()})
    finally:
        pusher.cancel()
        with suppress(asyncio.CancelledError):
            await pusher


async def _push(node: Node, subscriptions: Subscriptions, send: Any) -> None:
    pause = node.chain.config.slot_seconds / _LOOKS_PER_SLOT
    pause = min(max(pause, _FASTEST_LOOK_SECONDS), _SLOWEST_LOOK_SECONDS)
    while True:
        await asyncio.sleep(pause)
        for notification in list(subscriptions.news()):
            await send({"type": "websocket.send", "text": orjson.dumps(notification).decode()})


def _answer(node: Node, subscriptions: Subscriptions, raw: str | bytes) -> bytes | None:
    """None where there is no answer (a notification, such as kit's ping), empty where the connection must end."""
    body = parsed(raw)
    if body is UNREADABLE:
        return orjson.dumps(failure(None, RpcError(PARSE_ERROR, "Parse error")))
    if not isinstance(body, dict) or not isinstance(body.get("method"), str):
        return orjson.dumps(failure(None, RpcError(INVALID_REQUEST, "Invalid request")))
    identity, method, params = body.get("id"), body["method"], body.get("params") or []
    if identity is None:
        return None
    node.count([method])
    hits = node.strike([method])
    if any(fault.kind in ("drop_before", "drop_after") for fault in hits):
        return b""
    try:
        for fault in hits:
            refuse(fault)
        if not isinstance(params, list):
            raise invalid_params("Invalid params: expected a list")
        result = subscriptions.answer(method, params)
    except RpcError as error:
        return orjson.dumps(failure(identity, error))
    return orjson.dumps({"jsonrpc": "2.0", "result": result, "id": identity})
