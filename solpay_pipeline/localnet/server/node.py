"""A node in front of a chain: JSON-RPC bodies in, answers out, with a call counter and faults. No HTTP."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.errors import (
    INVALID_REQUEST,
    NODE_UNHEALTHY,
    PARSE_ERROR,
    RpcError,
    invalid_params,
)
from solpay_pipeline.localnet.rpc.methods import execute
from solpay_pipeline.localnet.rpc.params import NO_FAULT, Call, Delivery
from solpay_pipeline.localnet.rpc.view import View
from solpay_pipeline.localnet.server.admin import ADMIN_METHODS
from solpay_pipeline.localnet.server.faults import Fault, Faults

UNREADABLE = object()
"""A body that is not JSON."""


@dataclass(slots=True)
class Node:
    """One RPC node. `calls` counts calls by method, however they end; `requests` the HTTP requests, which may carry
    several calls; `connections` the accepted TCP connections. `lag`: slots that it is behind at first (`view.set_lag`
    changes it). `history_slots`: how far its history goes back, None for all, 0 for none. `save` writes the chain to
    its file, if it has one.
    """

    chain: Chain
    faults: Faults
    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    connections: int = 0
    lag: int = 0
    history_slots: int | None = None
    save: Callable[[], None] | None = None
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(self.chain, self.lag, self.history_slots)

    @property
    def lock(self) -> Any:
        """The chain's re-entrant lock: while it is held, the chain does not move and no request is answered."""
        return self.chain.lock

    @property
    def ws_url(self) -> str:
        """Where the same port takes WebSockets."""
        return self.url.replace("http", "ws", 1)

    def methods_of(self, body: object) -> list[str]:
        """The methods that a request body calls, without malformed members."""
        members = body if isinstance(body, list) else [body]
        return [
            member["method"]
            for member in members
            if isinstance(member, dict) and isinstance(member.get("method"), str)
        ]

    def count(self, methods: list[str]) -> None:
        """Counts the calls of one request, without localnet's own methods."""
        counted = [method for method in methods if method not in ADMIN_METHODS]
        self.requests += bool(counted)
        self.calls.update(counted)

    def strike(self, methods: list[str], connection: int = 0, body: object = None) -> list[Fault]:
        """The faults that hit a request with these methods; localnet's own are never hit."""
        hittable = (method for method in methods if method not in ADMIN_METHODS)
        return self.faults.strike(hittable, connection, texts_in(body) if self.faults.name_items else ())

    def answer(self, raw: bytes, hits: list[Fault]) -> bytes:
        """The JSON answer to a request body."""
        return self.reply(parsed(raw), hits)

    def reply(self, body: object, hits: list[Fault]) -> bytes:
        """The JSON answer to a body from `parsed`."""
        if body is UNREADABLE:
            return orjson.dumps(failure(None, RpcError(PARSE_ERROR, "Parse error")))
        if isinstance(body, list):
            if not body:
                return orjson.dumps(failure(None, RpcError(INVALID_REQUEST, "Invalid request")))
            return orjson.dumps([self._member(member, hits) for member in body])
        return orjson.dumps(self._member(body, hits))

    def _member(self, member: object, hits: list[Fault]) -> dict[str, Any]:
        if not isinstance(member, dict) or not isinstance(member.get("method"), str):
            identity = member.get("id") if isinstance(member, dict) else None
            return failure(_plain(identity), RpcError(INVALID_REQUEST, "Invalid request"))
        method = member["method"]
        identity = _plain(member.get("id"))
        mine = [fault for fault in hits if fault.concerns(method, texts_in(member))]
        try:
            _check_version(member)
            for fault in mine:
                refuse(fault)
            result = self._result(method, member.get("params"), mine)
            if mine:
                result = self._again(method, member.get("params"), mine, result)
        except RpcError as error:
            return failure(_answer_id(identity, mine), error)
        return {"jsonrpc": "2.0", "result": result, "id": _answer_id(identity, mine)}

    def _result(self, method: str, params: object, hits: list[Fault]) -> Any:
        if params is None:
            params = []
        if not isinstance(params, list):
            raise invalid_params("Invalid params: expected a list")
        admin = ADMIN_METHODS.get(method)
        if admin is None:
            return execute(Call(self.view, method, params, _delivery(hits)))
        try:
            with self.chain.lock:
                return admin(self, *params)
        except (TypeError, ValueError, OverflowError, OSError) as error:
            raise invalid_params(f"Invalid params: {error}") from error

    def _again(self, method: str, params: object, hits: list[Fault], result: Any) -> Any:
        for fault in hits:
            if fault.kind == "duplicate_request":
                result = self._result(method, params, hits)
            elif fault.kind == "duplicate_rows" and method == "getSignaturesForAddress":
                result = [row for row in result for _ in range(2)]
        return result


def texts_in(body: object) -> set[str]:
    """All texts in a request body but the names of members: addresses, signatures, methods."""
    match body:
        case str():
            return {body}
        case dict():
            return set().union(*map(texts_in, body.values()))
        case list():
            return set().union(*map(texts_in, body))
    return set()


def parsed(raw: bytes | str) -> object:
    """A request body; `UNREADABLE` where it is not JSON."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return UNREADABLE


def refuse(fault: Fault) -> None:
    """RpcError for a fault that puts an error into a good HTTP answer."""
    match fault.kind:
        case "rate_limit_body" | "rpc_error":
            raise RpcError(fault.code, fault.message)
        case "node_behind" if fault.slots is None:
            raise RpcError(NODE_UNHEALTHY, "Node is unhealthy")
        case "node_behind":
            raise RpcError(
                NODE_UNHEALTHY, f"Node is behind by {fault.slots} slots", {"numSlotsBehind": fault.slots}
            )


def failure(identity: object, error: RpcError) -> dict[str, Any]:
    """An answer with an error."""
    return {"jsonrpc": "2.0", "error": error.as_json(), "id": identity}


def _check_version(member: dict[str, Any]) -> None:
    if member.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "Unsupported JSON-RPC protocol version")


def _delivery(hits: list[Fault]) -> Delivery:
    delivery = NO_FAULT
    for fault in hits:
        match fault.kind:
            case "swallow":
                delivery = Delivery(swallow=True)
            case "land_failed":
                delivery = Delivery(forced_err=fault.err)
            case "land_late":
                delivery = Delivery(late_slots=fault.slots or 1)
            case "status_late":
                delivery = Delivery(hidden_slots=fault.slots or 1)
    return delivery


def _answer_id(identity: object, hits: list[Fault]) -> object:
    if hits and any(fault.kind == "wrong_id" for fault in hits):
        return identity + 1_000_000 if isinstance(identity, int) else "another request's"
    return identity


def _plain(identity: object) -> object:
    # JSON-RPC knows numbers, strings and null.
    return identity if isinstance(identity, (int, float, str)) else None
