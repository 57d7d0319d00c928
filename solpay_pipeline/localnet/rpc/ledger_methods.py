"""The RPC methods about slots, blocks, blockhashes and fees."""

from typing import Any

from solpay_pipeline.localnet.chain.config import SLOTS_PER_EPOCH
from solpay_pipeline.localnet.chain.errors import (
    BLOCK_CLEANED_UP,
    BLOCK_NOT_AVAILABLE,
    RpcError,
    invalid_params,
)
from solpay_pipeline.localnet.chain.transactions import fee_of, parse_message
from solpay_pipeline.localnet.rpc.account_shape import with_context
from solpay_pipeline.localnet.rpc.params import Call, Options, address, blockhash
from solpay_pipeline.localnet.rpc.transaction_encoding import (
    TRANSACTION_ENCODINGS,
    transaction_accounts,
    transaction_with_meta,
)

_FEE_SLOTS = 150
_MAX_BLOCK_RANGE = 500_000
_MAX_FEE_ADDRESSES = 128
_DETAILS = frozenset({"full", "accounts", "signatures", "none"})


def get_slot(call: Call) -> int:
    """Answers getSlot."""
    return call.options(0).bank_slot()


def get_block_height(call: Call) -> int:
    """Answers getBlockHeight."""
    return call.chain.block_height(call.options(0).bank_slot())


def get_block_time(call: Call) -> int:
    """Answers getBlockTime."""
    slot = call.integer(0, "slot")
    _check_block(call, slot)
    return call.chain.block_time(slot)


def get_latest_blockhash(call: Call) -> dict[str, Any]:
    """Answers getLatestBlockhash; the hash dies when the block height passes lastValidBlockHeight."""
    options = call.options(0)
    slot = options.bank_slot()
    newest, last_valid_block_height = call.view.latest_blockhash(options.commitment())
    return with_context(slot, {"blockhash": str(newest), "lastValidBlockHeight": last_valid_block_height})


def is_blockhash_valid(call: Call) -> dict[str, Any]:
    """Answers isBlockhashValid."""
    slot = call.options(1).bank_slot()
    return with_context(slot, call.chain.is_blockhash_valid(blockhash(call.take(0, "blockhash")), slot))


def get_fee_for_message(call: Call) -> dict[str, Any]:
    """Answers getFeeForMessage; null where the message's blockhash has expired."""
    slot = call.options(1).bank_slot()
    message = parse_message(call.wire(0, "base64"))
    alive = call.chain.is_blockhash_valid(message.recent_blockhash, slot)
    return with_context(slot, fee_of(message) if alive else None)


def get_recent_prioritization_fees(call: Call) -> list[dict[str, int]]:
    """Answers getRecentPrioritizationFees: no competition here, so 150 slots of 0."""
    if call.params and call.params[0] is not None:
        for text in call.texts(0, "addresses", _MAX_FEE_ADDRESSES, "Too many inputs provided"):
            address(text)
    slot = call.view.slot_at("processed")
    return [{"slot": each, "prioritizationFee": 0} for each in range(slot - _FEE_SLOTS + 1, slot + 1)]


def get_epoch_info(call: Call) -> dict[str, int]:
    """Answers getEpochInfo."""
    slot = call.options(0).bank_slot()
    return {
        "absoluteSlot": slot,
        "blockHeight": call.chain.block_height(slot),
        "epoch": slot // SLOTS_PER_EPOCH,
        "slotIndex": slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": call.chain.history.count(),
    }


def get_epoch_schedule(call: Call) -> dict[str, Any]:
    """Answers getEpochSchedule: no warm-up, as on mainnet."""
    return {
        "slotsPerEpoch": SLOTS_PER_EPOCH,
        "leaderScheduleSlotOffset": SLOTS_PER_EPOCH,
        "warmup": False,
        "firstNormalEpoch": 0,
        "firstNormalSlot": 0,
    }


def get_block(call: Call) -> dict[str, Any]:
    """Answers getBlock with transactionDetails full, accounts, signatures or none."""
    call.view.check_history()
    slot = call.integer(0, "slot")
    options = _block_options(call)
    details = options.one_of("transactionDetails", "full", _DETAILS)
    encoding = options.one_of("encoding", "json", TRANSACTION_ENCODINGS)
    newest_version = options.integer("maxSupportedTransactionVersion")
    with_rewards = options.get("rewards") is None or options.flag("rewards")
    if slot > call.view.slot_at(options.confirmed_commitment()):
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    _check_block(call, slot)
    chain = call.chain
    shown: dict[str, Any] = {
        "blockHeight": chain.block_height(slot),
        "blockTime": chain.block_time(slot),
        "blockhash": str(chain.blockhash_at(slot)),
        "parentSlot": max(slot - 1, 0),
        "previousBlockhash": str(chain.blockhash_at(slot - 1)),
    }
    records = chain.history.block(slot)
    if details == "signatures":
        shown["signatures"] = [record.signature for record in records]
    elif details == "full":
        shown["transactions"] = [
            transaction_with_meta(record, encoding, newest_version) for record in records
        ]
    elif details == "accounts":
        shown["transactions"] = [transaction_accounts(record, newest_version) for record in records]
    if with_rewards:
        shown["rewards"] = []
    return shown


def get_blocks(call: Call) -> list[int]:
    """Answers getBlocks: every slot has a block here."""
    first = call.integer(0, "start slot")
    second = call.params[1] if len(call.params) > 1 else None
    options = call.options(1 if isinstance(second, dict) else 2)
    newest = call.view.slot_at(options.confirmed_commitment())
    last = newest if second is None or isinstance(second, dict) else min(call.integer(1, "end slot"), newest)
    if last - first > _MAX_BLOCK_RANGE:
        raise invalid_params(f"Slot range too large; max {_MAX_BLOCK_RANGE}")
    return list(range(max(first, call.chain.config.first_slot), last + 1))


def get_blocks_with_limit(call: Call) -> list[int]:
    """Answers getBlocksWithLimit."""
    first, limit = call.integer(0, "start slot"), call.integer(1, "limit")
    if limit > _MAX_BLOCK_RANGE:
        raise invalid_params(f"Limit too large; max {_MAX_BLOCK_RANGE}")
    newest = call.view.slot_at(call.options(2).confirmed_commitment())
    first = max(first, call.chain.config.first_slot)
    return list(range(first, min(first + limit - 1, newest) + 1))


def get_first_available_block(call: Call) -> int:
    """Answers getFirstAvailableBlock and minimumLedgerSlot: where the endpoint's history begins."""
    return call.view.first_available_slot()


def get_transaction_count(call: Call) -> int:
    """Answers getTransactionCount."""
    return call.chain.history.count()


def _block_options(call: Call) -> Options:
    # The second parameter may be the bare encoding, as it was before there were options.
    second = call.params[1] if len(call.params) > 1 else None
    return Options(call.view, {"encoding": second}) if isinstance(second, str) else call.options(1)


def _check_block(call: Call, slot: int) -> None:
    first = call.view.first_available_slot()
    if slot < first:
        raise RpcError(
            BLOCK_CLEANED_UP,
            f"Block {slot} cleaned up, does not exist on node. First available block: {first}",
        )
    if slot > call.view.slot_at("processed"):
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
