"""The RPC methods about the node and the cluster: here one validator that leads every slot."""

from typing import Any

from solpay_pipeline.localnet.chain.config import SLOTS_PER_EPOCH
from solpay_pipeline.localnet.chain.errors import NO_SNAPSHOT, RpcError, invalid_params
from solpay_pipeline.localnet.rpc.account_shape import API_VERSION
from solpay_pipeline.localnet.rpc.params import Call

MAX_SLOT_LEADERS = 5_000
MAX_PERFORMANCE_SAMPLES = 720
_SAMPLE_SECONDS = 60
_FEATURE_SET = 3_604_001_754


def get_genesis_hash(call: Call) -> str:
    """Answers getGenesisHash."""
    return str(call.chain.genesis_hash)


def get_health(call: Call) -> str:
    """Answers getHealth; -32005 where the endpoint lags by 128 slots or more."""
    call.view.check_health()
    return "ok"


def get_version(call: Call) -> dict[str, Any]:
    """Answers getVersion."""
    return {"solana-core": API_VERSION, "feature-set": _FEATURE_SET}


def get_identity(call: Call) -> dict[str, str]:
    """Answers getIdentity."""
    return {"identity": str(call.chain.identity)}


def get_cluster_nodes(call: Call) -> list[dict[str, Any]]:
    """Answers getClusterNodes: this one, which has no gossip."""
    return [
        {
            "pubkey": str(call.chain.identity),
            "gossip": None,
            "tpu": None,
            "tpuQuic": None,
            "rpc": None,
            "pubsub": None,
            "version": API_VERSION,
            "featureSet": _FEATURE_SET,
            "shredVersion": 1,
        }
    ]


def get_vote_accounts(call: Call) -> dict[str, list[Any]]:
    """Answers getVoteAccounts: there are no votes here."""
    call.options(0).commitment()
    return {"current": [], "delinquent": []}


def get_slot_leader(call: Call) -> str:
    """Answers getSlotLeader."""
    call.options(0).bank_slot()
    return str(call.chain.identity)


def get_slot_leaders(call: Call) -> list[str]:
    """Answers getSlotLeaders."""
    first, limit = call.integer(0, "start slot"), call.integer(1, "limit")
    if limit > MAX_SLOT_LEADERS:
        raise invalid_params(f"Invalid limit; max {MAX_SLOT_LEADERS}")
    known_to = (call.view.slot_at("processed") // SLOTS_PER_EPOCH + 2) * SLOTS_PER_EPOCH
    if first + limit > known_to:
        raise invalid_params(f"Invalid slot range: leader schedule is known up to slot {known_to}")
    return [str(call.chain.identity)] * limit


def get_recent_performance_samples(call: Call) -> list[dict[str, int]]:
    """Answers getRecentPerformanceSamples: one, of the last minute."""
    limit = call.params[0] if call.params else None
    if limit is not None and call.integer(0, "limit") > MAX_PERFORMANCE_SAMPLES:
        raise invalid_params(f"Invalid limit; max {MAX_PERFORMANCE_SAMPLES}")
    if limit == 0:
        return []
    newest = call.view.slot_at("processed")
    slots = min(int(_SAMPLE_SECONDS / call.chain.config.slot_seconds), newest)
    blocks = call.chain.history.recent_blocks(newest - slots + 1)
    landed = sum(len(records) for slot, records in blocks if slot <= newest)
    return [
        {
            "slot": newest,
            "numSlots": slots,
            "numTransactions": landed,
            "numNonVoteTransactions": landed,
            "samplePeriodSecs": _SAMPLE_SECONDS,
        }
    ]


def get_highest_snapshot_slot(call: Call) -> Any:
    """Answers getHighestSnapshotSlot: -32008, as on a node without a snapshot."""
    raise RpcError(NO_SNAPSHOT, "No snapshot")


def get_ag_genesis_cert(call: Call) -> None:
    """Answers getAgGenesisCert: null, as before Alpenglow."""
    return
