"""The RPC methods that send, simulate and look up transactions.

sendTransaction answers when the node has taken a transaction, not when it has landed. One that no block can take is
answered with its signature and never seen again, unless preflight refused it.
"""

from typing import Any

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.engine import Simulation
from solpay_pipeline.localnet.chain.errors import (
    FILTER_TRANSACTION_NOT_FOUND,
    INTERNAL_ERROR,
    PREFLIGHT_FAILURE,
    SIGNATURE_VERIFICATION_FAILURE,
    Rejected,
    RpcError,
    describe,
    invalid_params,
)
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.chain.transactions import Decoded
from solpay_pipeline.localnet.rpc.account_shape import with_context
from solpay_pipeline.localnet.rpc.encoding import ACCOUNT_ENCODINGS, account_json
from solpay_pipeline.localnet.rpc.params import NO_FAULT, Call, Options, address, signature
from solpay_pipeline.localnet.rpc.transaction_encoding import (
    TRANSACTION_ENCODINGS,
    confirmed_transaction,
    effects_json,
    inner_instructions,
    loaded_addresses,
    return_data,
    status_json,
)

MAX_SIGNATURE_STATUSES = 256
MAX_SIGNATURES_FOR_ADDRESS = 1_000
MAX_AIRDROP_LAMPORTS = 10**16
"""A tenth of what the faucet has."""


def send_transaction(call: Call) -> str:
    """Answers sendTransaction, with preflight unless `skipPreflight`."""
    options = call.options(1)
    wire = call.wire(0, options.text("encoding", "base58"))
    decoded = _decoded(call, wire)
    options.integer("maxRetries")
    commitment = options.commitment("preflightCommitment")
    delivery = call.delivery
    try:
        if options.flag("skipPreflight"):
            call.chain.check_signatures(decoded)
        else:
            bank_slot = options.bank_slot(commitment)
            call.view.check_health()
            _check_signatures(call, decoded)
            if delivery is NO_FAULT or delivery.hidden_slots:
                _refuse(call.chain.land_checked(decoded, bank_slot), decoded)
                _hide(call, decoded)
                return decoded.signature
            simulation = call.chain.simulate(decoded, bank_slot)
            _refuse(simulation if simulation.err is not None else None, decoded)
        if delivery.swallow:
            return decoded.signature
        if delivery.late_slots:
            call.chain.submit_late(wire, delivery.late_slots)
            return decoded.signature
        call.chain.land(decoded, delivery.forced_err)
        _hide(call, decoded)
    except Rejected:
        # The node forwards it all the same and no block takes it: only its status, which stays null, shows that.
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
    wanted = _wanted_accounts(options)
    simulation = call.chain.simulate(decoded, slot, check_age=not replaced)
    value = _simulation_json(simulation, decoded, parsed=options.flag("innerInstructions"))
    if options.flag("innerInstructions") is False:
        value["innerInstructions"] = None
    value["accounts"] = None if wanted is None else _simulated_accounts(call, wanted, simulation, slot)
    if replaced:
        newest, last_valid_block_height = call.view.latest_blockhash(commitment)
        value["replacementBlockhash"] = {
            "blockhash": str(newest),
            "lastValidBlockHeight": last_valid_block_height,
        }
    return with_context(slot, value)


def get_signature_statuses(call: Call) -> dict[str, Any]:
    """Answers getSignatureStatuses; without `searchTransactionHistory` the recent slots only."""
    texts = call.texts(0, "signatures", MAX_SIGNATURE_STATUSES, "Too many inputs provided")
    options = call.options(1)
    newest = options.bank_slot("processed")
    find = call.view.recent_transaction
    if options.flag("searchTransactionHistory"):
        call.view.check_history()
        find = call.view.transaction
    records = [find(signature(text)) for text in texts]
    return with_context(newest, [None if record is None else _status(call, record) for record in records])


def get_signatures_for_address(call: Call) -> list[dict[str, Any]]:
    """Answers getSignaturesForAddress: newest first, between `before` and `until`, failed transactions included."""
    call.view.check_history()
    wanted = call.address(0)
    options = call.options(1)
    limit = options.integer("limit")
    limit = MAX_SIGNATURES_FOR_ADDRESS if limit is None else limit
    if not 1 <= limit <= MAX_SIGNATURES_FOR_ADDRESS:
        raise invalid_params(f"Invalid limit; max {MAX_SIGNATURES_FOR_ADDRESS}")
    newest = options.bank_slot(options.confirmed_commitment())
    before, until = _cursor(call, options, "before"), _cursor(call, options, "until")
    found: list[dict[str, Any]] = []
    for record in call.view.newest_first(wanted):
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
                "confirmationStatus": call.view.level_of(record),
                "transactionIndex": record.index_in_block,
            }
        )
    return found


def get_transaction(call: Call) -> dict[str, Any] | None:
    """Answers getTransaction; null where it is unknown or not yet of the commitment asked for."""
    call.view.check_history()
    wanted = signature(call.take(0, "signature"))
    second = call.params[1] if len(call.params) > 1 else None
    if isinstance(second, str):
        call = Call(call.view, call.method, [wanted, {"encoding": second}])
    options = call.options(1)
    encoding = options.one_of("encoding", "json", TRANSACTION_ENCODINGS)
    newest_version = options.integer("maxSupportedTransactionVersion")
    newest = options.bank_slot(options.confirmed_commitment())
    record = call.view.transaction(wanted)
    if record is None or record.slot > newest:
        return None
    return confirmed_transaction(record, encoding, newest_version)


def request_airdrop(call: Call) -> str:
    """Answers requestAirdrop."""
    to, lamports = call.address(0), call.integer(1, "lamports")
    call.options(2).commitment()
    if lamports > MAX_AIRDROP_LAMPORTS:
        # What a validator says when its faucet refuses.
        raise RpcError(INTERNAL_ERROR, "Internal error")
    return call.chain.airdrop(to, lamports).signature


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


def _hide(call: Call, decoded: Decoded) -> None:
    if call.delivery.hidden_slots:
        call.view.hide(decoded.signature, call.delivery.hidden_slots)


def _refuse(simulation: Simulation | None, decoded: Decoded) -> None:
    if simulation is not None and simulation.err is not None:
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
        "loadedAddresses": loaded_addresses(decoded),
        **effects_json(executed),
    }


def _wanted_accounts(options: Options) -> tuple[str, list[Pubkey]] | None:
    wanted = options.get("accounts")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("addresses"), list):
        raise invalid_params("Invalid params: accounts must name addresses")
    encoding = Options(options.view, wanted).one_of("encoding", "base64", ACCOUNT_ENCODINGS)
    if encoding in ("base58", "binary"):
        raise invalid_params("base58 encoding not supported")
    return encoding, [address(text) for text in wanted["addresses"]]


def _simulated_accounts(
    call: Call, wanted: tuple[str, list[Pubkey]], simulation: Simulation, slot: int
) -> list[Any]:
    encoding, addresses = wanted
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
    level = call.view.level_of(record)
    return {
        "slot": record.slot,
        "confirmations": None if level == "finalized" else call.view.slot_at("processed") - record.slot,
        "confirmationStatus": level,
        **status_json(record.err),
    }


def _cursor(call: Call, options: Options, name: str) -> tuple[int, int] | None:
    text = options.get(name)
    if text is None:
        return None
    wanted = signature(text)
    record = call.view.transaction(wanted)
    if record is None:
        raise RpcError(FILTER_TRANSACTION_NOT_FOUND, f"Transaction {wanted} not found")
    return record.slot, record.index_in_block
