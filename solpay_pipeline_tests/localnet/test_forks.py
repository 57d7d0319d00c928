"""What a fork takes back is gone, and may come again."""

import pytest
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.errors import Rejected
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed


def test_a_fork_restores_accounts_and_forgets_transactions(
    rpc: Caller, chain: Chain, seed: Seed, rich: Keypair, wallet: Keypair
) -> None:
    kept = seed.pay_sol(wallet.pubkey(), SOL)
    chain.advance(32)
    lost = seed.pay_sol(wallet.pubkey(), 2 * SOL)
    chain.advance(5)
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "confirmed"}) == 3 * SOL
    assert chain.fork() == [lost]
    for level in ("processed", "confirmed", "finalized"):
        assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": level}) == SOL
    statuses = rpc.value("getSignatureStatuses", [kept, lost], {"searchTransactionHistory": True})
    assert statuses[0]["confirmationStatus"] == "finalized"
    assert statuses[1] is None
    found = rpc.result("getSignaturesForAddress", str(wallet.pubkey()), {"commitment": "confirmed"})
    assert [each["signature"] for each in found] == [kept]


def test_a_forgotten_transaction_may_land_again_while_its_blockhash_lives(
    chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    blockhash, _ = chain.latest_blockhash("finalized")
    wire = signed([pay(rich, wallet.pubkey(), SOL)], blockhash, [rich])
    chain.submit(wire)
    with pytest.raises(Rejected, match="already been processed"):
        chain.submit(wire)
    chain.fork()
    assert chain.submit(wire).err is None
    chain.fork()
    chain.advance(150)
    with pytest.raises(Rejected, match="Blockhash not found"):
        chain.submit(wire)


def test_on_a_losing_fork_its_own_blockhashes_die_with_it(
    chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    old, _ = chain.latest_blockhash("finalized")
    new, _ = chain.latest_blockhash("confirmed")
    chain.fork(keep_blockhashes=False)
    with pytest.raises(Rejected, match="Blockhash not found"):
        chain.submit(signed([pay(rich, wallet.pubkey(), SOL)], new, [rich]))
    assert chain.submit(signed([pay(rich, wallet.pubkey(), SOL)], old, [rich])).err is None


def test_a_finalized_block_is_never_taken_back(chain: Chain) -> None:
    with pytest.raises(ValueError, match="never removed"):
        chain.fork(chain.slot_at("finalized") - 1)


def test_a_closed_token_account_comes_back_with_its_owner_index(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    mint = seed.create_mint()
    account = seed.create_ata(wallet.pubkey(), mint)
    chain.advance(32)
    seed.close_ata(wallet, mint)
    by_mint = [str(wallet.pubkey()), {"mint": str(mint)}, {"encoding": "base64", "commitment": "processed"}]
    assert rpc.value("getTokenAccountsByOwner", *by_mint) == []
    chain.fork()
    assert [each["pubkey"] for each in rpc.value("getTokenAccountsByOwner", *by_mint)] == [str(account)]
