"""A read tells what its commitment level knows, and no more."""

from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller


def balances(rpc: Caller, wallet: Keypair) -> list[int]:
    address = str(wallet.pubkey())
    levels = ("processed", "confirmed", "finalized")
    return [rpc.value("getBalance", address, {"commitment": level}) for level in levels]


def test_a_payment_rises_through_processed_confirmed_and_finalized(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    signature = seed.pay_sol(wallet.pubkey(), SOL)
    seen = []
    for slots in (0, 1, 30, 1):
        chain.advance(slots)
        status = rpc.value("getSignatureStatuses", [signature])[0]
        seen.append((balances(rpc, wallet), status["confirmationStatus"], status["confirmations"]))
    assert seen == [
        ([SOL, 0, 0], "processed", 0),
        ([SOL, SOL, 0], "confirmed", 1),
        ([SOL, SOL, 0], "confirmed", 31),
        ([SOL, SOL, SOL], "finalized", None),
    ]


def test_the_default_commitment_is_finalized(rpc: Caller, seed: Seed, wallet: Keypair) -> None:
    seed.pay_sol(wallet.pubkey(), SOL)
    assert rpc.value("getBalance", str(wallet.pubkey())) == 0
    assert rpc.value("getAccountInfo", str(wallet.pubkey())) is None


def test_an_account_that_was_closed_is_still_there_at_finalized(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    mint = seed.create_mint()
    account = str(seed.create_ata(wallet.pubkey(), mint))
    chain.advance(40)
    seed.close_ata(wallet, mint)
    read = {"commitment": "processed", "encoding": "base64"}
    assert rpc.value("getAccountInfo", account, read) is None
    assert rpc.value("getAccountInfo", account, read | {"commitment": "finalized"}) is not None
    chain.advance(32)
    assert rpc.value("getAccountInfo", account, read | {"commitment": "finalized"}) is None


def test_slots_and_heights_lag_by_level(rpc: Caller, chain: Chain) -> None:
    chain.advance(100)
    slots = [
        rpc.result("getSlot", {"commitment": level}) for level in ("processed", "confirmed", "finalized")
    ]
    assert slots == [1_100, 1_099, 1_068]
    assert rpc.result("getBlockHeight") == 1_068


def test_skipped_slots_hold_the_block_height_below_the_slot() -> None:
    chain = Chain(ChainConfig(clock="manual", first_slot=22_001_000, skipped_slots=22_000_000))
    _, last_valid = chain.latest_blockhash("processed")
    assert chain.block_height(chain.tick()) == 1_000
    assert last_valid == 1_150


def test_a_context_slot_that_was_not_reached_is_refused(rpc: Caller, chain: Chain) -> None:
    reached = rpc.result("getSlot")
    assert rpc.result("getSlot", {"minContextSlot": reached}) == reached
    error = rpc.error("getSlot", {"minContextSlot": reached + 1})
    assert error["code"] == -32016
    assert error["data"] == {"contextSlot": reached}


def test_history_knows_no_processed_level(rpc: Caller, seed: Seed, wallet: Keypair) -> None:
    signature = seed.pay_sol(wallet.pubkey(), SOL)
    processed = {"commitment": "processed"}
    assert rpc.error("getTransaction", signature, processed)["code"] == -32602
    assert rpc.error("getSignaturesForAddress", str(wallet.pubkey()), processed)["code"] == -32602
    assert rpc.result("getTransaction", signature, {"commitment": "confirmed"}) is None


def test_the_wall_clock_moves_slots_by_itself() -> None:
    chain = Chain(ChainConfig(clock="wall", slot_seconds=0.001))
    first = chain.tick()
    while chain.tick() < first + 5:
        pass
    assert chain.tick() >= first + 5


def test_a_warp_moves_the_time_of_later_blocks_only(chain: Chain, seed: Seed, wallet: Keypair) -> None:
    early = chain.history.get(seed.pay_sol(wallet.pubkey(), SOL))
    chain.warp(3_600)
    late = chain.history.get(seed.pay_sol(wallet.pubkey(), SOL))
    assert early is not None
    assert late is not None
    assert late.block_time - early.block_time in (3_600, 3_601)
    assert chain.block_time(early.slot) == early.block_time
    chain.warp(-7_200)
    assert chain.block_time(chain.tick()) < early.block_time
