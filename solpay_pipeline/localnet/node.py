"""A node in front of a chain: JSON-RPC bodies in, answers out, with its call counter and its faults. It knows
no HTTP.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from solpay_pipeline.localnet.admin import ADMIN_METHODS
from solpay_pipeline.localnet.engine import Chain
from solpay_pipeline.localnet.errors import (
    INVALID_REQUEST,
    NODE_UNHEALTHY,
    PARSE_ERROR,
    RpcError,
    invalid_params,
)
from solpay_pipeline.localnet.faults import Fault, Faults
from solpay_pipeline.localnet.methods import execute
from solpay_pipeline.localnet.params import Call, Delivery


@dataclass(slots=True)
class Node:
    """One RPC node. `calls` counts requests by JSON-RPC method, whatever their fate; `connections` the TCP
    connections accepted.
    """

    chain: Chain
    faults: Faults
    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    connections: int = 0

    @property
    def lock(self) -> Any:
        """The chain's lock (re-entrant): held, nothing on the chain moves and no request is answered."""
        return self.chain.lock

    def methods_of(self, body: object) -> list[str]:
        """The methods that a request body calls, malformed members left out."""
        members = body if isinstance(body, list) else [body]
        return [
            member["method"]
            for member in members
            if isinstance(member, dict) and isinstance(member.get("method"), str)
        ]

    def count(self, methods: list[str]) -> None:
        """Notes calls; those of the localnet itself are not counted."""
        self.calls.update(method for method in methods if method not in ADMIN_METHODS)

    def strike(self, methods: list[str]) -> list[Fault]:
        """The faults that hit a request with these methods; those of the localnet itself are never hit."""
        return self.faults.strike(method for method in methods if method not in ADMIN_METHODS)

    def answer(self, raw: bytes, hits: list[Fault]) -> bytes:
        """The JSON answer to a request body."""
        try:
            body = json.loads(raw)
        except ValueError:
            return _dumps(_failure(None, RpcError(PARSE_ERROR, "Parse error")))
        if isinstance(body, list):
            if not body:
                return _dumps(_failure(None, RpcError(INVALID_REQUEST, "Invalid request")))
            return _dumps([self._member(member, hits) for member in body])
        return _dumps(self._member(body, hits))

    def _member(self, member: object, hits: list[Fault]) -> dict[str, Any]:
        if not isinstance(member, dict) or not isinstance(member.get("method"), str):
            return _failure(None, RpcError(INVALID_REQUEST, "Invalid request"))
        method = member["method"]
        identity = member.get("id")
        mine = [fault for fault in hits if fault.methods is None or method in fault.methods]
        try:
            for fault in mine:
                _refuse(fault)
            result = self._result(method, member.get("params"), mine)
        except RpcError as error:
            return _failure(_answer_id(identity, mine), error)
        return {"jsonrpc": "2.0", "result": result, "id": _answer_id(identity, mine)}

    def _result(self, method: str, params: object, hits: list[Fault]) -> Any:
        if params is None:
            params = []
        if not isinstance(params, list):
            raise invalid_params("Invalid params: expected a list")
        admin = ADMIN_METHODS.get(method)
        if admin is None:
            return execute(Call(self.chain, method, params, _delivery(hits)))
        try:
            with self.chain.lock:
                return admin(self, *params)
        except (TypeError, ValueError) as error:
            raise invalid_params(f"Invalid params: {error}") from error


def _refuse(fault: Fault) -> None:
    match fault.kind:
        case "rate_limit_body" | "rpc_error":
            raise RpcError(fault.code, fault.message)
        case "node_behind" if fault.slots is None:
            raise RpcError(NODE_UNHEALTHY, "Node is unhealthy")
        case "node_behind":
            raise RpcError(
                NODE_UNHEALTHY, f"Node is behind by {fault.slots} slots", {"numSlotsBehind": fault.slots}
            )


def _delivery(hits: list[Fault]) -> Delivery:
    delivery = Delivery()
    for fault in hits:
        match fault.kind:
            case "swallow":
                delivery = Delivery(swallow=True)
            case "land_failed":
                delivery = Delivery(forced_err=fault.err)
            case "land_late":
                delivery = Delivery(late_slots=fault.slots or 1)
    return delivery


def _answer_id(identity: object, hits: list[Fault]) -> object:
    if any(fault.kind == "wrong_id" for fault in hits):
        return identity + 1_000_000 if isinstance(identity, int) else "another request's"
    return identity


def _failure(identity: object, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": error.as_json(), "id": identity}


def _dumps(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
