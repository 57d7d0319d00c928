"""getSignaturesForAddress, getTransaction and getSignatureStatuses."""

from typing import Any

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.signature import Signature

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import MEMO_PROGRAM
from solpay_pipeline.localnet.tools.seed import TOKEN_2022, Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller


def signatures(rpc: Caller, wallet: Keypair, **options: object) -> list[str]:
    return [
        each["signature"] for each in rpc.result("getSignaturesForAddress", str(wallet.pubkey()), options)
    ]


def test_history_is_paged_newest_first_without_gaps_or_repeats(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    paid = []
    for number in range(25):
        paid.append(seed.pay_sol(wallet.pubkey(), SOL + number))
        if number % 3 == 0:
            chain.advance(1)
    chain.advance(32)
    pages: list[str] = []
    while page := signatures(rpc, wallet, limit=7, **({"before": pages[-1]} if pages else {})):
        pages += page
    assert pages == paid[::-1]
    assert signatures(rpc, wallet, until=paid[20]) == paid[:20:-1]
    assert signatures(rpc, wallet, before=paid[10], until=paid[5]) == paid[9:5:-1]


def test_an_unknown_cursor_is_an_error_and_not_an_empty_page(rpc: Caller, wallet: Keypair) -> None:
    unknown = str(Signature.new_unique())
    for name in ("before", "until"):
        error = rpc.error("getSignaturesForAddress", str(wallet.pubkey()), {name: unknown})
        assert error == {"code": -32020, "message": f"Transaction {unknown} not found"}


def test_a_page_holds_at_most_a_thousand(rpc: Caller, wallet: Keypair) -> None:
    for limit in (0, 1_001):
        assert rpc.error("getSignaturesForAddress", str(wallet.pubkey()), {"limit": limit})["code"] == -32602


def test_memos_are_shown_with_their_length(rpc: Caller, chain: Chain, seed: Seed) -> None:
    signature = seed.send([Instruction(MEMO_PROGRAM, "café".encode(), [])])
    chain.advance(32)
    found = rpc.result("getSignaturesForAddress", str(seed.customer.pubkey()), {"limit": 1})[0]
    assert (found["signature"], found["memo"]) == (signature, "[5] café")


def test_statuses_beyond_the_recent_slots_need_the_history_switch(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    signature = seed.pay_sol(wallet.pubkey(), SOL)
    chain.advance(150)
    assert rpc.value("getSignatureStatuses", [signature])[0]["confirmationStatus"] == "finalized"
    chain.advance(1)
    assert rpc.value("getSignatureStatuses", [signature]) == [None]
    searched = rpc.value("getSignatureStatuses", [signature], {"searchTransactionHistory": True})
    assert searched[0]["confirmationStatus"] == "finalized"


def test_at_most_256_statuses_and_100_accounts_are_answered_at_once(rpc: Caller, wallet: Keypair) -> None:
    unknown = str(Signature.new_unique())
    assert rpc.value("getSignatureStatuses", [unknown] * 256) == [None] * 256
    assert rpc.error("getSignatureStatuses", [unknown] * 257)["code"] == -32602
    address = str(wallet.pubkey())
    assert rpc.value("getMultipleAccounts", [address] * 100) == [None] * 100
    error = rpc.error("getMultipleAccounts", [address] * 101)
    assert error == {"code": -32602, "message": "Too many inputs provided; max 100"}


def test_a_transaction_of_a_version_the_client_cannot_read_is_refused(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    by_version = {version: seed.pay_sol(wallet.pubkey(), SOL, version=version) for version in (0, 1)}
    chain.advance(32)
    assert rpc.error("getTransaction", by_version[0])["code"] == -32015
    error = rpc.error("getTransaction", by_version[1], {"maxSupportedTransactionVersion": 0})
    assert error["code"] == -32015
    assert "Transaction version (1) is not supported" in error["message"]
    assert rpc.result("getTransaction", by_version[1], {"maxSupportedTransactionVersion": 1})["version"] == 1


def test_token_balances_tell_what_arrived_after_a_transfer_fee(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    mint = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    signature = seed.pay_token(wallet.pubkey(), mint, 5_000_000)
    chain.advance(32)
    meta = rpc.result("getTransaction", signature, {"maxSupportedTransactionVersion": 0})["meta"]

    def of_wallet(balances: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each["uiTokenAmount"] for each in balances if each["owner"] == str(wallet.pubkey())]

    assert [amount["amount"] for amount in of_wallet(meta["preTokenBalances"])] == ["0"]
    assert of_wallet(meta["postTokenBalances"]) == [
        {"amount": "4950000", "decimals": 6, "uiAmount": 4.95, "uiAmountString": "4.95"}
    ]


def test_parsed_transactions_name_instructions_and_what_they_called(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    mint = seed.create_mint()
    account = seed.create_ata(wallet.pubkey(), mint)
    made = chain.history.block(chain.tick())[-1].signature
    paid = seed.pay_token(wallet.pubkey(), mint, 1_500_000)
    chain.advance(32)
    options = {"encoding": "jsonParsed", "maxSupportedTransactionVersion": 0}
    creation = rpc.result("getTransaction", made, options)
    assert creation["transaction"]["message"]["instructions"][1]["parsed"]["type"] == "createIdempotent"
    inner = creation["meta"]["innerInstructions"][0]["instructions"]
    assert [each["parsed"]["type"] for each in inner] == [
        "getAccountDataSize",
        "createAccount",
        "initializeImmutableOwner",
        "initializeAccount3",
    ]
    transferred = rpc.result("getTransaction", paid, options)["transaction"]["message"]["instructions"][1]
    assert transferred["program"] == "spl-token"
    assert transferred["parsed"]["type"] == "transferChecked"
    assert transferred["parsed"]["info"]["destination"] == str(account)
    assert transferred["parsed"]["info"]["tokenAmount"]["uiAmountString"] == "1.5"


def test_a_block_shows_its_transactions(rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair) -> None:
    slot = chain.advance(1)
    paid = [seed.pay_sol(wallet.pubkey(), SOL), seed.pay_sol(wallet.pubkey(), SOL)]
    chain.advance(32)
    block = rpc.result(
        "getBlock", slot, {"transactionDetails": "signatures", "maxSupportedTransactionVersion": 0}
    )
    assert block["signatures"] == paid
    assert block["parentSlot"] == slot - 1
    full = rpc.result("getBlock", slot, {"maxSupportedTransactionVersion": 0})
    assert len(full["transactions"]) == 2
    assert rpc.result("getBlocks", slot, slot + 3) == [slot]
    assert rpc.error("getBlock", slot + 50)["code"] == -32004
