"""The table of RPC methods."""

from collections.abc import Callable
from typing import Any

from solpay_pipeline.localnet.chain.errors import METHOD_NOT_FOUND, RpcError
from solpay_pipeline.localnet.rpc import account_methods as accounts
from solpay_pipeline.localnet.rpc import cluster_methods as cluster
from solpay_pipeline.localnet.rpc import ledger_methods as ledger
from solpay_pipeline.localnet.rpc import token_methods as tokens
from solpay_pipeline.localnet.rpc import transaction_methods as transactions
from solpay_pipeline.localnet.rpc.params import Call

METHODS: dict[str, Callable[[Call], Any]] = {
    "getAgGenesisCert": cluster.get_ag_genesis_cert,
    "getAccountInfo": accounts.get_account_info,
    "getBalance": accounts.get_balance,
    "getBlock": ledger.get_block,
    "getBlockHeight": ledger.get_block_height,
    "getBlockTime": ledger.get_block_time,
    "getBlocks": ledger.get_blocks,
    "getBlocksWithLimit": ledger.get_blocks_with_limit,
    "getClusterNodes": cluster.get_cluster_nodes,
    "getEpochInfo": ledger.get_epoch_info,
    "getEpochSchedule": ledger.get_epoch_schedule,
    "getFeeForMessage": ledger.get_fee_for_message,
    "getFirstAvailableBlock": ledger.get_first_available_block,
    "getGenesisHash": cluster.get_genesis_hash,
    "getHealth": cluster.get_health,
    "getHighestSnapshotSlot": cluster.get_highest_snapshot_slot,
    "getIdentity": cluster.get_identity,
    "getLatestBlockhash": ledger.get_latest_blockhash,
    "getMinimumBalanceForRentExemption": accounts.get_minimum_balance_for_rent_exemption,
    "getMultipleAccounts": accounts.get_multiple_accounts,
    "getProgramAccounts": accounts.get_program_accounts,
    "getRecentPerformanceSamples": cluster.get_recent_performance_samples,
    "getRecentPrioritizationFees": ledger.get_recent_prioritization_fees,
    "getSignatureStatuses": transactions.get_signature_statuses,
    "getSignaturesForAddress": transactions.get_signatures_for_address,
    "getSlot": ledger.get_slot,
    "getSlotLeader": cluster.get_slot_leader,
    "getSlotLeaders": cluster.get_slot_leaders,
    "getTokenAccountBalance": tokens.get_token_account_balance,
    "getTokenAccountsByDelegate": tokens.get_token_accounts_by_delegate,
    "getTokenAccountsByOwner": tokens.get_token_accounts_by_owner,
    "getTokenLargestAccounts": tokens.get_token_largest_accounts,
    "getTokenSupply": tokens.get_token_supply,
    "getTransaction": transactions.get_transaction,
    "getTransactionCount": ledger.get_transaction_count,
    "getVersion": cluster.get_version,
    "getVoteAccounts": cluster.get_vote_accounts,
    "isBlockhashValid": ledger.is_blockhash_valid,
    "minimumLedgerSlot": ledger.get_first_available_block,
    "requestAirdrop": transactions.request_airdrop,
    "sendTransaction": transactions.send_transaction,
    "simulateTransaction": transactions.simulate_transaction,
}


def execute(call: Call) -> Any:
    """Runs one call on the chain as it is now; RpcError where it has no result."""
    method = METHODS.get(call.method)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
    with call.chain.lock:
        call.chain.tick()
        return method(call)
