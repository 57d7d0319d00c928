"""JSON-RPC methods that no validator has: with them tests in other processes move the chain and break the node. They
are neither counted nor hit by faults.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.account_files import account_from_json
from solpay_pipeline.localnet.server.faults import faults_from_json

if TYPE_CHECKING:
    from solpay_pipeline.localnet.server.node import Node


def advance_slots(node: "Node", slots: int = 1) -> int:
    """localnet_advanceSlots [slots]: the slot that is then being built."""
    return node.chain.advance(slots)


def warp(node: "Node", seconds: float) -> int:
    """localnet_warp [seconds]: opens a new block that much later; its unix time."""
    node.chain.warp(seconds)
    return node.chain.block_time(node.chain.tick())


def set_rent(node: "Node", lamports_per_byte: int) -> None:
    """localnet_setRent [lamports per byte]."""
    node.chain.set_rent(lamports_per_byte)


def fork(node: "Node", back_to: Any = "finalized", keep_blockhashes: bool = True) -> list[str]:
    """localnet_fork [back to, keep blockhashes]: the removed signatures."""
    return node.chain.fork(back_to, keep_blockhashes)


def set_faults(node: "Node", faults: Any) -> int:
    """localnet_setFaults [[fault or name of a preset, ...]]: replaces all faults; how many are on."""
    made = faults_from_json(faults)
    node.faults.replace(made)
    return len(made)


def add_faults(node: "Node", faults: Any) -> int:
    """localnet_addFaults [[fault or name of a preset, ...]]: how many were added."""
    made = faults_from_json(faults)
    for fault in made:
        node.faults.add(fault)
    return len(made)


def set_lag(node: "Node", slots: int) -> None:
    """localnet_setLag [slots]: lets this endpoint fall behind the chain, or catch up."""
    node.view.set_lag(slots)


def set_account(node: "Node", account: Any) -> None:
    """localnet_setAccount [account]: writes an account in the form of `solana account --output json`."""
    address, made = account_from_json(account)
    node.chain.put_account(address, made)


def close_account(node: "Node", address: str) -> None:
    """localnet_closeAccount [address]: removes an account."""
    node.chain.put_account(Pubkey.from_string(address), None)


def save_state(node: "Node") -> None:
    """localnet_saveState: writes the chain to the file it was started with; an error where it has none."""
    if node.save is None:
        raise ValueError("this chain was started without a state file")
    node.save()


def clear_faults(node: "Node") -> None:
    """localnet_clearFaults."""
    node.faults.clear()


def calls(node: "Node", reset: bool = False) -> dict[str, Any]:
    """localnet_calls [reset]: calls by method, HTTP requests and connections since the start or the last reset."""
    counted = {
        "calls": dict(node.calls),
        "requests": node.requests,
        "connections": node.connections,
        "faults": dict(node.faults.struck),
    }
    if reset:
        node.calls.clear()
        node.requests = 0
        node.faults.struck.clear()
        node.connections = 0
    return counted


ADMIN_METHODS: dict[str, Callable[..., Any]] = {
    "localnet_addFaults": add_faults,
    "localnet_advanceSlots": advance_slots,
    "localnet_calls": calls,
    "localnet_clearFaults": clear_faults,
    "localnet_closeAccount": close_account,
    "localnet_fork": fork,
    "localnet_saveState": save_state,
    "localnet_setAccount": set_account,
    "localnet_setFaults": set_faults,
    "localnet_setLag": set_lag,
    "localnet_setRent": set_rent,
    "localnet_warp": warp,
}
