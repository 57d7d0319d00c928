"""How nodes can behave without ever lying: they lose, delay, refuse, lag and forget."""

from collections.abc import Mapping
from typing import Any

from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.proofs.simulation.steps import Sky
from solpay_pipeline_tests.proofs.simulation.world import HOSTS, World

_LAG_SLOTS = 60
_SHORT_HISTORY_SLOTS = 400

SEND = frozenset({"sendTransaction"})

_SKIES: Mapping[Sky, tuple[dict[str, Any], ...]] = {
    "clear": (),
    "lossy": (
        {"kind": "drop_before", "probability": 0.03},
        {"kind": "drop_after", "probability": 0.04},
        {"kind": "drop_after", "probability": 0.3, "methods": SEND},
        {"kind": "truncate", "probability": 0.02},
    ),
    "rate limited": (
        {"kind": "rate_limit", "probability": 0.08, "retry_after": 1.0},
        {"kind": "rate_limit", "probability": 0.03},
        {"kind": "rate_limit_body", "probability": 0.03},
    ),
    "broken": (
        {"kind": "server_error", "probability": 0.08},
        {"kind": "rpc_error", "probability": 0.02, "code": -32603, "message": "Internal error"},
        {"kind": "wrong_id", "probability": 0.02},
    ),
    "behind": (
        {"kind": "node_behind", "probability": 0.06, "slots": 42},
        {"kind": "node_behind", "probability": 0.04},
    ),
    "swallowing": ({"kind": "swallow", "probability": 0.5},),
    "late": (
        {"kind": "land_late", "probability": 0.3, "slots": 10},
        {"kind": "land_late", "probability": 0.3, "slots": 145},
    ),
    "failing": (
        {"kind": "land_failed", "probability": 0.25},
        {"kind": "land_failed", "probability": 0.25, "err": {"InstructionError": [3, {"Custom": 17}]}},
    ),
    "slow": (
        {"kind": "latency", "seconds": 1.0, "distribution": "exponential"},
        {"kind": "latency", "probability": 0.02, "seconds": 20.0},
        {"kind": "slow_body", "probability": 0.03, "seconds": 6.0},
    ),
    "forgetful": (
        {"kind": "status_late", "probability": 0.6, "slots": 25},
        {"kind": "duplicate_request", "probability": 0.1},
        {"kind": "duplicate_rows", "probability": 0.3},
    ),
    "storm": (
        {"kind": "latency", "seconds": 0.3, "distribution": "exponential"},
        {"kind": "drop_before", "probability": 0.02},
        {"kind": "drop_after", "probability": 0.05},
        {"kind": "rate_limit", "probability": 0.03, "retry_after": 0.5},
        {"kind": "server_error", "probability": 0.03},
        {"kind": "swallow", "probability": 0.1},
        {"kind": "land_late", "probability": 0.1, "slots": 30},
        {"kind": "status_late", "probability": 0.1, "slots": 20},
        {"kind": "duplicate_request", "probability": 0.05},
    ),
    "first node down": (),
    "first node lags": (),
    "second node lags": (),
    "short history": (),
    "lagging fallback": (),
    "forgetful fallback": (),
}


def set_sky(world: World, sky: Sky) -> None:
    """From now on the nodes behave like this, until the next call."""
    first, second = world.nodes[HOSTS[0]], world.nodes[HOSTS[1]]
    for node in (first, second):
        node.faults.replace([Fault(**members) for members in _SKIES[sky]])
        node.view.set_lag(0)
        node.view.history_slots = _SHORT_HISTORY_SLOTS if sky == "short history" else None
    match sky:
        case "first node down":
            first.faults.add(Fault("server_error"))
        case "first node lags":
            first.view.set_lag(_LAG_SLOTS)
        case "second node lags":
            second.view.set_lag(_LAG_SLOTS)
        case "lagging fallback":
            first.faults.add(Fault("rate_limit", probability=0.2, retry_after=0.5))
            second.view.set_lag(_LAG_SLOTS)
        case "forgetful fallback":
            first.faults.add(Fault("server_error", probability=0.2))
            second.view.history_slots = _SHORT_HISTORY_SLOTS
        case _:
            pass


def struck(world: World) -> dict[str, int]:
    """How often each fault has hit since the world began."""
    hits: dict[str, int] = {}
    for node in world.nodes.values():
        for kind, count in node.faults.struck.items():
            hits[kind] = hits.get(kind, 0) + count
    return hits
