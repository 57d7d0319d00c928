"""The RPC methods that send, simulate and look up transactions.

sendTransaction answers when the node has taken a transaction, not when it has landed: one that no block can
take any more is answered with its signature and never seen again, unless preflight saw it coming.
"""

from typing import Any

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.account_methods import with_context
from solpay_pipeline.localnet.encoding import account_json
from solpay_pipeline.localnet.engine import Simulation
from solpay_pipeline.localnet.errors import (
    FILTER_TRANSACTION_NOT_FOUND,
    PREFLIGHT_FAILURE,
    SIGNATURE_VERIFICATION_FAILURE,
    Rejected,
    RpcError,
    describe,
    invalid_params,
)
from solpay_pipeline.localnet.history import TransactionRecord
from solpay_pipeline.localnet.params import Call, Options, address, signature
from solpay_pipeline.localnet.transaction_encoding import (
    confirmed_transaction,
    inner_instructions,
    return_data,
    token_balances,
)
from solpay_pipeline.localnet.transactions import Decoded

MAX_SIGNATURE_STATUSES = 256
MAX_SIGNATURES_FOR_ADDRESS = 1_000


def send_transaction(call: Call) -> str:
    """Answers sendTransaction, with preflight unless `skipPreflight`."""
    options = call.options(1)
    wire = call.wire(0, options.text("encoding", "base58"))
    decoded = _decoded(call, wire)
    checked = not options.flag("skipPreflight")
    if checked:
        _preflight(call, options, decoded)
    if call.delivery.swallow:
        return decoded.signature
    if call.delivery.late_slots:
        call.chain.submit_late(wire, call.delivery.late_slots)
        return decoded.signature
    try:
        if not checked:
            call.chain.check_signatures(decoded)
        call.chain.land(decoded, call.delivery.forced_err)
    except Rejected:
        # The node forwards it all the same and no block takes it: only the status, which stays null, tells.
        return decoded.signature
    return decoded.signature


def simulate_transaction(call: Call) -> dict[str, Any]:
    """Answers simulateTransaction."""
    options = call.options(1)
    decoded = _decoded(call, call.wire(0, options.text("encoding", "base58")))
    verify, replaced = options.flag("sigVerify"), options.flag("replaceRecentBlockhash")
    if verify and replaced:
        raise invalid_params("sigVerify may not be used with replaceRecentBlockhash")
    if verify:
        _check_signatures(call, decoded)
    commitment = options.commitment()
    slot = options.bank_slot(commitment)
    simulation = call.chain.simulate(decoded, slot, check_age=not replaced)
    value = _simulation_json(simulation, decoded, parsed=options.flag("innerInstructions"))
    if options.flag("innerInstructions") is False:
        value["innerInstructions"] = None
    value["accounts"] = _simulated_accounts(call, options, simulation, slot)
    if replaced:
        newest, last_valid_block_height = call.chain.latest_blockhash(commitment)
        value["replacementBlockhash"] = {
            "blockhash": str(newest),
            "lastValidBlockHeight": last_valid_block_height,
        }
    return with_context(slot, value)


def get_signature_statuses(call: Call) -> dict[str, Any]:
    """Answers getSignatureStatuses; without `searchTransactionHistory` the recent slots only."""
    texts = call.texts(0, "signatures", MAX_SIGNATURE_STATUSES, "Too many inputs provided")
    options = call.options(1)
    chain = call.chain
    newest = chain.slot_at("processed")
    options.bank_slot("processed")
    oldest = 0 if options.flag("searchTransactionHistory") else newest - chain.config.status_cache_slots
    statuses = []
    for text in texts:
        record = chain.history.get(signature(text))
        statuses.append(None if record is None or record.slot < oldest else _status(call, record))
    return with_context(newest, statuses)


def get_signatures_for_address(call: Call) -> list[dict[str, Any]]:
    """Answers getSignaturesForAddress: newest first, between `before` and `until`, failed transactions included."""
    wanted = call.address(0)
    options = call.options(1)
    limit = options.integer("limit")
    limit = MAX_SIGNATURES_FOR_ADDRESS if limit is None else limit
    if not 1 <= limit <= MAX_SIGNATURES_FOR_ADDRESS:
        raise invalid_params(f"Invalid limit; max {MAX_SIGNATURES_FOR_ADDRESS}")
    newest = options.bank_slot(options.confirmed_commitment())
    before, until = _cursor(call, options, "before"), _cursor(call, options, "until")
    found: list[dict[str, Any]] = []
    for record in call.chain.history.newest_first(wanted):
        place = (record.slot, record.index_in_block)
        if record.slot > newest or (before is not None and place >= before):
            continue
        if (until is not None and place <= until) or len(found) == limit:
            break
        found.append(
            {
                "signature": record.signature,
                "slot": record.slot,
                "err": record.err,
                "memo": record.memo,
                "blockTime": record.block_time,
                "confirmationStatus": _level(call, record),
                "transactionIndex": record.index_in_block,
            }
        )
    return found


def get_transaction(call: Call) -> dict[str, Any] | None:
    """Answers getTransaction; null where it is unknown or not yet of the commitment asked for."""
    wanted = signature(call.take(0, "signature"))
    second = call.params[1] if len(call.params) > 1 else None
    if isinstance(second, str):
        call = Call(call.chain, call.method, [wanted, {"encoding": second}])
    options = call.options(1)
    newest = options.bank_slot(options.confirmed_commitment())
    record = call.chain.history.get(wanted)
    if record is None or record.slot > newest:
        return None
    return confirmed_transaction(
        record, options.text("encoding", "json"), options.integer("maxSupportedTransactionVersion")
    )


def request_airdrop(call: Call) -> str:
    """Answers requestAirdrop."""
    return call.chain.airdrop(call.address(0), call.integer(1, "lamports")).signature


def _decoded(call: Call, wire: bytes) -> Decoded:
    try:
        return call.chain.decode(wire)
    except Rejected as rejected:
        raise invalid_params(f"invalid transaction: {rejected}") from rejected


def _check_signatures(call: Call, decoded: Decoded) -> None:
    try:
        call.chain.check_signatures(decoded)
    except Rejected as rejected:
        raise RpcError(
            SIGNATURE_VERIFICATION_FAILURE, "Transaction signature verification failure"
        ) from rejected


def _preflight(call: Call, options: Options, decoded: Decoded) -> None:
    _check_signatures(call, decoded)
    simulation = call.chain.simulate(decoded, options.bank_slot(options.commitment("preflightCommitment")))
    if simulation.err is not None:
        raise RpcError(
            PREFLIGHT_FAILURE,
            f"Transaction simulation failed: {describe(simulation.err)}",
            _simulation_json(simulation, decoded, parsed=False) | {"innerInstructions": None},
        )


def _simulation_json(simulation: Simulation, decoded: Decoded, parsed: bool) -> dict[str, Any]:
    executed = simulation.executed
    return {
        "err": executed.err,
        "logs": list(executed.logs),
        "accounts": None,
        "unitsConsumed": executed.compute_units,
        "loadedAccountsDataSize": simulation.loaded_bytes,
        "returnData": return_data(executed),
        "innerInstructions": inner_instructions(executed.inner_instructions, decoded.keys, parsed),
        "replacementBlockhash": None,
        "fee": executed.fee,
        "preBalances": list(executed.pre_balances),
        "postBalances": list(executed.post_balances),
        "preTokenBalances": token_balances(executed.pre_token_balances),
        "postTokenBalances": token_balances(executed.post_token_balances),
        "loadedAddresses": {
            "writable": [str(key) for key in decoded.loaded_writable],
            "readonly": [str(key) for key in decoded.loaded_readonly],
        },
    }


def _simulated_accounts(call: Call, options: Options, simulation: Simulation, slot: int) -> list[Any] | None:
    wanted = options.get("accounts")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("addresses"), list):
        raise invalid_params("Invalid params: accounts must name addresses")
    encoding = wanted.get("encoding") or "base64"
    addresses = [address(text) for text in wanted["addresses"]]
    if simulation.err is not None:
        return [None] * len(addresses)

    def read(account_address: Pubkey) -> Any:
        return simulation.accounts.get(account_address) or call.chain.accounts.at(account_address, slot)

    shown = []
    for each in addresses:
        account = read(each)
        shown.append(
            None if account is None or not account.lamports else account_json(account, encoding, None, read)
        )
    return shown


def _status(call: Call, record: TransactionRecord) -> dict[str, Any]:
    level = _level(call, record)
    return {
        "slot": record.slot,
        "confirmations": None if level == "finalized" else call.chain.slot_at("processed") - record.slot,
        "err": record.err,
        "status": {"Ok": None} if record.err is None else {"Err": record.err},
        "confirmationStatus": level,
    }


def _level(call: Call, record: TransactionRecord) -> str:
    if record.slot <= call.chain.slot_at("finalized"):
        return "finalized"
    return "confirmed" if record.slot <= call.chain.slot_at("confirmed") else "processed"


def _cursor(call: Call, options: Options, name: str) -> tuple[int, int] | None:
    text = options.get(name)
    if text is None:
        return None
    wanted = signature(text)
    record = call.chain.history.get(wanted)
    if record is None:
        raise RpcError(FILTER_TRANSACTION_NOT_FOUND, f"Transaction {wanted} not found")
    return record.slot, record.index_in_block
