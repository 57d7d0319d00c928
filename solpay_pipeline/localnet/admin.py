"""JSON-RPC methods that no validator has: what tests in other processes need to move the chain and to break
the node. They are neither counted nor hit by faults.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from solpay_pipeline.localnet.faults import Fault

if TYPE_CHECKING:
    from solpay_pipeline.localnet.node import Node


def advance_slots(node: "Node", slots: int = 1) -> int:
    """localnet_advanceSlots [slots]: the slot that is being built then."""
    return node.chain.advance(slots)


def warp(node: "Node", seconds: float) -> int:
    """localnet_warp [seconds]: opens a new block that much later; its unix time."""
    node.chain.warp(seconds)
    return node.chain.block_time(node.chain.tick())


def set_rent(node: "Node", lamports_per_byte: int) -> None:
    """localnet_setRent [lamports per byte]."""
    node.chain.set_rent(lamports_per_byte)


def fork(node: "Node", back_to: Any = "finalized", keep_blockhashes: bool = True) -> list[str]:
    """localnet_fork [back to, keep blockhashes]: the signatures taken back."""
    return node.chain.fork(back_to, keep_blockhashes)


def set_faults(node: "Node", faults: list[dict[str, Any]]) -> int:
    """localnet_setFaults [[fault, ...]]: replaces all faults; how many are on."""
    made = [Fault.from_json(members) for members in faults]
    node.faults.clear()
    for fault in made:
        node.faults.add(fault)
    return len(made)


def clear_faults(node: "Node") -> None:
    """localnet_clearFaults."""
    node.faults.clear()


def calls(node: "Node", reset: bool = False) -> dict[str, Any]:
    """localnet_calls [reset]: calls by method and connections since the start or the last reset."""
    counted = {"calls": dict(node.calls), "connections": node.connections, "faults": dict(node.faults.struck)}
    if reset:
        node.calls.clear()
        node.faults.struck.clear()
        node.connections = 0
    return counted


ADMIN_METHODS: dict[str, Callable[..., Any]] = {
    "localnet_advanceSlots": advance_slots,
    "localnet_calls": calls,
    "localnet_clearFaults": clear_faults,
    "localnet_fork": fork,
    "localnet_setFaults": set_faults,
    "localnet_setRent": set_rent,
    "localnet_warp": warp,
}
