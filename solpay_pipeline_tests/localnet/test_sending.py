"""sendTransaction and simulateTransaction: what preflight sees, what the wire allows, when a blockhash dies."""

from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import MEMO_PROGRAM
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed, text


def blockhash(rpc: Caller, commitment: str = "finalized") -> tuple[Hash, int]:
    value = rpc.value("getLatestBlockhash", {"commitment": commitment})
    return Hash.from_string(value["blockhash"]), value["lastValidBlockHeight"]


@pytest.mark.parametrize("version", [None, 0, 1])
def test_a_transaction_of_every_version_lands(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair, version: int | None
) -> None:
    wire = signed([pay(rich, wallet.pubkey(), SOL)], blockhash(rpc)[0], [rich], version)
    signature = rpc.send(wire)
    chain.advance(32)
    shown = rpc.result("getTransaction", signature, {"maxSupportedTransactionVersion": 1})
    assert shown["version"] == ("legacy" if version is None else version)
    assert shown["meta"]["err"] is None
    assert rpc.value("getBalance", str(wallet.pubkey())) == SOL


def test_a_failing_instruction_is_caught_by_preflight(rpc: Caller, rich: Keypair, wallet: Keypair) -> None:
    instructions = [pay(rich, wallet.pubkey(), SOL), pay(rich, wallet.pubkey(), 100 * SOL)]
    error = rpc.error(
        "sendTransaction", text(signed(instructions, blockhash(rpc)[0], [rich])), {"encoding": "base64"}
    )
    assert error["code"] == -32002
    assert error["message"] == (
        "Transaction simulation failed: Error processing Instruction 1: custom program error: 0x1"
    )
    assert error["data"]["err"] == {"InstructionError": [1, {"Custom": 1}]}
    assert error["data"]["logs"][0] == "Program 11111111111111111111111111111111 invoke [1]"
    assert error["data"]["unitsConsumed"] > 0
    assert error["data"]["accounts"] is None


def test_without_preflight_it_fails_on_chain_and_the_fee_is_gone(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    wire = signed([pay(rich, wallet.pubkey(), 100 * SOL)], blockhash(rpc)[0], [rich])
    signature = rpc.send(wire, skipPreflight=True)
    chain.advance(32)
    err = {"InstructionError": [0, {"Custom": 1}]}
    assert rpc.value("getSignatureStatuses", [signature])[0]["err"] == err
    shown = rpc.result("getTransaction", signature, {"maxSupportedTransactionVersion": 0})
    assert shown["meta"]["err"] == err
    assert shown["meta"]["status"] == {"Err": err}
    assert rpc.value("getBalance", str(rich.pubkey())) == 10 * SOL - 5_000
    assert rpc.result("getSignaturesForAddress", str(wallet.pubkey()))[0]["err"] == err


def test_an_account_left_below_the_rent_minimum_is_named_by_its_index(
    rpc: Caller, rich: Keypair, wallet: Keypair
) -> None:
    wire = signed([pay(rich, wallet.pubkey(), 10)], blockhash(rpc)[0], [rich])
    error = rpc.error("sendTransaction", text(wire), {"encoding": "base64"})
    assert error["data"]["err"] == {"InsufficientFundsForRent": {"account_index": 1}}


def test_a_payer_without_an_account_never_lands(rpc: Caller, chain: Chain, wallet: Keypair) -> None:
    poor = Keypair()
    wire = signed([pay(poor, wallet.pubkey(), SOL)], blockhash(rpc)[0], [poor])
    assert (
        rpc.error("sendTransaction", text(wire), {"encoding": "base64"})["data"]["err"] == "AccountNotFound"
    )
    signature = rpc.send(wire, skipPreflight=True)
    assert rpc.value("getSignatureStatuses", [signature]) == [None]


def test_a_blockhash_lives_to_its_last_valid_block_height(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    newest, last_valid = blockhash(rpc, "processed")
    at_processed = {"commitment": "processed"}
    chain.advance(last_valid - rpc.result("getBlockHeight", at_processed))
    assert rpc.value("isBlockhashValid", str(newest), at_processed) is True
    last = signed([pay(rich, wallet.pubkey(), SOL)], newest, [rich])
    landed = rpc.send(last, preflightCommitment="processed")
    chain.advance(1)
    assert rpc.value("isBlockhashValid", str(newest), at_processed) is False
    late = signed([pay(rich, wallet.pubkey(), 2 * SOL)], newest, [rich])
    options = {"encoding": "base64", "preflightCommitment": "processed"}
    error = rpc.error("sendTransaction", text(late), options)
    assert error["message"] == "Transaction simulation failed: Blockhash not found"
    assert error["data"]["err"] == "BlockhashNotFound"
    lost = rpc.send(late, skipPreflight=True)
    statuses = rpc.value("getSignatureStatuses", [landed, lost])
    assert statuses[0]["err"] is None
    assert statuses[1] is None


def test_a_blockhash_newer_than_the_preflight_bank_is_not_found(
    rpc: Caller, rich: Keypair, wallet: Keypair
) -> None:
    newest, _ = blockhash(rpc, "confirmed")
    wire = signed([pay(rich, wallet.pubkey(), SOL)], newest, [rich])
    assert (
        rpc.error("sendTransaction", text(wire), {"encoding": "base64"})["data"]["err"] == "BlockhashNotFound"
    )
    rpc.send(wire, preflightCommitment="confirmed")


def test_the_same_bytes_are_never_executed_twice(rpc: Caller, rich: Keypair, wallet: Keypair) -> None:
    wire = signed([pay(rich, wallet.pubkey(), SOL)], blockhash(rpc)[0], [rich])
    signature = rpc.send(wire)
    error = rpc.error(
        "sendTransaction", text(wire), {"encoding": "base64", "preflightCommitment": "processed"}
    )
    assert error["data"]["err"] == "AlreadyProcessed"
    assert error["message"].endswith("This transaction has already been processed")
    # The finalized bank has not seen it yet, and no preflight looks at all: both are answered well, and change nothing.
    assert rpc.send(wire) == signature
    assert rpc.send(wire, skipPreflight=True) == signature
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == SOL


def test_preflight_sees_the_balances_of_its_own_commitment(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    newest, _ = blockhash(rpc)
    rpc.send(signed([pay(rich, wallet.pubkey(), 2 * SOL)], newest, [rich]))
    spend = signed([pay(wallet, rich.pubkey(), SOL)], newest, [wallet])
    assert (
        rpc.error("sendTransaction", text(spend), {"encoding": "base64"})["data"]["err"] == "AccountNotFound"
    )
    rpc.send(spend, preflightCommitment="processed")
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == SOL - 5_000


@pytest.mark.parametrize(("version", "limit"), [(0, 1_232), (1, 4_096)])
def test_a_transaction_may_fill_its_packet_and_no_more(
    rpc: Caller, rich: Keypair, version: int, limit: int
) -> None:
    def memo(length: int) -> bytes:
        instruction = Instruction(MEMO_PROGRAM, b"m" * length, [])
        return signed([instruction], blockhash(rpc)[0], [rich], version)

    room = 100 + limit - len(memo(100))
    # The length of the content takes one byte more from 128 on in versions that pack it.
    room -= len(memo(room)) - limit
    assert len(memo(room)) == limit
    assert rpc.answer("sendTransaction", text(memo(room)), {"encoding": "base64", "skipPreflight": True})[
        "result"
    ]
    error = rpc.error("sendTransaction", text(memo(room + 1)), {"encoding": "base64"})
    assert error["code"] == -32602
    assert f"too large: {limit + 1} bytes (max: {limit} bytes)" in error["message"]


def test_a_forged_signature_is_told_apart_from_a_failure(rpc: Caller, rich: Keypair, wallet: Keypair) -> None:
    message = VersionedTransaction.from_bytes(
        signed([pay(rich, wallet.pubkey(), SOL)], blockhash(rpc)[0], [rich])
    ).message
    forged = bytes(VersionedTransaction.populate(message, [Signature.new_unique()]))
    assert rpc.error("sendTransaction", text(forged), {"encoding": "base64"})["code"] == -32003
    rpc.send(forged, skipPreflight=True)
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == 0


def test_garbage_is_an_invalid_parameter(rpc: Caller) -> None:
    for wire in ("", "AQID", "not base64!"):
        assert rpc.error("sendTransaction", wire, {"encoding": "base64"})["code"] == -32602


def test_a_simulation_changes_nothing_and_shows_the_accounts_after(
    rpc: Caller, rich: Keypair, wallet: Keypair
) -> None:
    wire = signed([pay(rich, wallet.pubkey(), SOL)], Hash.default(), [rich])
    unsigned = bytes(
        VersionedTransaction.populate(VersionedTransaction.from_bytes(wire).message, [Signature.default()])
    )
    accounts = {"encoding": "base64", "addresses": [str(wallet.pubkey()), str(Pubkey.new_unique())]}
    options: dict[str, Any] = {"encoding": "base64", "replaceRecentBlockhash": True, "accounts": accounts}
    value = rpc.value("simulateTransaction", text(unsigned), options)
    assert value["err"] is None
    assert value["accounts"][0]["lamports"] == SOL
    assert value["accounts"][1] is None
    assert value["replacementBlockhash"]["blockhash"]
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == 0
    options = {"encoding": "base64"}
    assert rpc.value("simulateTransaction", text(unsigned), options)["err"] == "BlockhashNotFound"
    assert rpc.error("simulateTransaction", text(unsigned), options | {"sigVerify": True})["code"] == -32003


@pytest.mark.parametrize("version", [None, 0, 1])
def test_the_fee_foretold_is_the_fee_taken(
    rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair, version: int | None
) -> None:
    prices = [set_compute_unit_price(123_456)]
    for extra in ([], prices, [*prices, set_compute_unit_limit(7_777)]):
        wire = signed([*extra, pay(rich, wallet.pubkey(), SOL)], blockhash(rpc)[0], [rich], version)
        message = VersionedTransaction.from_bytes(wire).message
        foretold = rpc.value("getFeeForMessage", text(to_bytes_versioned(message)))
        rpc.send(wire)
        record = chain.history.get(str(VersionedTransaction.from_bytes(wire).signatures[0]))
        assert record is not None
        assert record.executed.fee == foretold


def test_rent_is_what_the_chain_says(rpc: Caller, chain: Chain) -> None:
    assert rpc.result("getMinimumBalanceForRentExemption", 165) == 1_488_440
    chain.set_rent(696)
    assert rpc.result("getMinimumBalanceForRentExemption", 165) == 203_928


def test_an_airdrop_is_a_transfer_like_any_other(rpc: Caller, chain: Chain, wallet: Keypair) -> None:
    first, second = (rpc.result("requestAirdrop", str(wallet.pubkey()), SOL) for _ in range(2))
    assert first != second
    chain.advance(1)
    found = rpc.result("getSignaturesForAddress", str(wallet.pubkey()), {"commitment": "confirmed"})
    assert [each["signature"] for each in found] == [second, first]


def test_seeded_payments_in_one_block_differ(seed: Seed, wallet: Keypair) -> None:
    assert seed.pay_sol(wallet.pubkey(), SOL) != seed.pay_sol(wallet.pubkey(), SOL)
