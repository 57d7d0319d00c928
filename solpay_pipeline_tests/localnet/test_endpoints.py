"""Several endpoints serve one chain: one lags, one has no history, one forgets."""

from collections.abc import Iterator

import pytest
from solders.keypair import Keypair

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL, Caller, pay, signed

LAG = 10


@pytest.fixture
def behind(chain: Chain) -> Iterator[Node]:
    with running(chain, lag=LAG) as started:
        yield started


@pytest.fixture
def late_rpc(behind: Node) -> Iterator[Caller]:
    caller = Caller(behind.url)
    yield caller
    caller.http.close()


def test_a_lagging_endpoint_tells_what_was_true_some_slots_ago(
    rpc: Caller, late_rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    address = str(wallet.pubkey())
    chain.advance(LAG)
    paid = seed.pay_sol(wallet.pubkey(), SOL)
    processed = {"commitment": "processed"}
    assert rpc.result("getSlot", processed) - late_rpc.result("getSlot", processed) == LAG
    assert rpc.result("getBlockHeight", processed) - late_rpc.result("getBlockHeight", processed) == LAG
    assert rpc.value("getBalance", address, processed) == SOL
    assert late_rpc.value("getBalance", address, processed) == 0
    assert late_rpc.value("getSignatureStatuses", [paid]) == [None]
    assert late_rpc.result("getSignaturesForAddress", address, {"commitment": "confirmed"}) == []
    chain.advance(LAG)
    assert late_rpc.value("getBalance", address, processed) == SOL
    assert late_rpc.value("getSignatureStatuses", [paid])[0]["confirmationStatus"] == "processed"
    assert rpc.value("getSignatureStatuses", [paid])[0]["confirmations"] == LAG
    chain.advance(32)
    finalized = {"commitment": "finalized"}
    assert rpc.value("getBalance", address, finalized) == SOL
    assert late_rpc.value("getBalance", address, finalized) == SOL


def test_each_level_lags_and_old_states_are_kept_for_it(
    rpc: Caller, late_rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    address = str(wallet.pubkey())
    for _ in range(60):
        seed.pay_sol(wallet.pubkey(), SOL)
        chain.advance()
    seed.pay_sol(wallet.pubkey(), SOL)
    for commitment in ("processed", "confirmed", "finalized"):
        ahead = rpc.value("getBalance", address, {"commitment": commitment})
        assert ahead - late_rpc.value("getBalance", address, {"commitment": commitment}) == LAG * SOL


def test_a_lagging_endpoint_does_not_know_the_newest_blockhash(
    rpc: Caller, late_rpc: Caller, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    blockhash, _ = chain.latest_blockhash("confirmed")
    wire = signed([pay(rich, wallet.pubkey(), SOL)], blockhash, [rich])
    assert late_rpc.value("isBlockhashValid", str(blockhash), {"commitment": "processed"}) is False
    with pytest.raises(AssertionError, match="Blockhash not found"):
        late_rpc.send(wire, preflightCommitment="confirmed")
    signature = late_rpc.send(wire, skipPreflight=True)
    assert rpc.value("getSignatureStatuses", [signature])[0]["err"] is None


def test_min_context_slot_turns_a_lagging_endpoint_away(
    rpc: Caller, late_rpc: Caller, wallet: Keypair
) -> None:
    slot = rpc.result("getSlot", {"commitment": "processed"})
    options = {"commitment": "processed", "minContextSlot": slot}
    assert rpc.value("getBalance", str(wallet.pubkey()), options) == 0
    error = late_rpc.error("getBalance", str(wallet.pubkey()), options)
    assert error["code"] == -32016
    assert error["data"] == {"contextSlot": slot - LAG}


def test_an_endpoint_that_is_far_behind_calls_itself_unhealthy(
    late_rpc: Caller, behind: Node, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    assert late_rpc.result("getHealth") == "ok"
    assert behind.url
    late_rpc.result("localnet_setLag", 128)
    assert late_rpc.error("getHealth") == {
        "code": -32005,
        "message": "Node is behind by 128 slots",
        "data": {"numSlotsBehind": 128},
    }
    assert late_rpc.http.get("/health").text == "behind"
    blockhash, _ = chain.latest_blockhash("finalized")
    wire = signed([pay(rich, wallet.pubkey(), SOL)], blockhash, [rich])
    with pytest.raises(AssertionError, match="behind by 128"):
        late_rpc.send(wire)
    assert late_rpc.error("localnet_setLag", 10_000)["code"] == -32602
    late_rpc.result("localnet_setLag", 0)
    assert late_rpc.result("getHealth") == "ok"
    assert late_rpc.http.get("/health").text == "ok"


def test_an_endpoint_without_history_says_so(chain: Chain, seed: Seed, wallet: Keypair) -> None:
    paid = seed.pay_sol(wallet.pubkey(), SOL)
    with running(chain, history_slots=0) as node:
        rpc = Caller(node.url)
        assert rpc.value("getSignatureStatuses", [paid])[0]["err"] is None
        for method, params in {
            "getTransaction": [paid],
            "getSignaturesForAddress": [str(wallet.pubkey())],
            "getBlock": [chain.tick()],
            "getSignatureStatuses": [[paid], {"searchTransactionHistory": True}],
        }.items():
            assert rpc.error(method, *params)["code"] == -32011
        assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "processed"}) == SOL
        rpc.http.close()


def test_an_endpoint_with_short_history_forgets_and_tells_from_where_on_it_knows(
    rpc: Caller, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    old = seed.pay_sol(wallet.pubkey(), SOL)
    old_slot = chain.tick()
    chain.advance(300)
    new = seed.pay_sol(wallet.pubkey(), SOL)
    chain.advance(40)
    with running(chain, history_slots=100) as node:
        short = Caller(node.url)
        first = short.result("getFirstAvailableBlock")
        assert first == short.result("minimumLedgerSlot") == chain.tick() - 99
        assert short.result("getTransaction", old, {"maxSupportedTransactionVersion": 0}) is None
        assert short.value("getSignatureStatuses", [old, new], {"searchTransactionHistory": True})[0] is None
        rows = short.result("getSignaturesForAddress", str(wallet.pubkey()))
        assert [row["signature"] for row in rows] == [new]
        cursor = {"before": old}
        assert short.error("getSignaturesForAddress", str(wallet.pubkey()), cursor)["code"] == -32020
        assert short.error("getBlock", old_slot)["code"] == -32001
        assert f"First available block: {first}" in short.error("getBlockTime", old_slot)["message"]
        short.http.close()
    assert len(rpc.result("getSignaturesForAddress", str(wallet.pubkey()))) == 2


def test_a_status_may_come_late_though_the_money_is_there(
    rpc: Caller, node: Node, chain: Chain, rich: Keypair, wallet: Keypair
) -> None:
    node.faults.add(Fault("status_late", slots=20))
    blockhash, _ = chain.latest_blockhash("finalized")
    signature = rpc.send(signed([pay(rich, wallet.pubkey(), SOL)], blockhash, [rich]))
    search = {"searchTransactionHistory": True}
    chain.advance(19)
    assert rpc.value("getBalance", str(wallet.pubkey()), {"commitment": "confirmed"}) == SOL
    assert rpc.value("getSignatureStatuses", [signature], search) == [None]
    version = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
    assert rpc.result("getTransaction", signature, version) is None
    assert rpc.result("getSignaturesForAddress", str(wallet.pubkey()), {"commitment": "confirmed"}) == []
    chain.advance(1)
    assert rpc.value("getSignatureStatuses", [signature], search)[0]["err"] is None
    assert rpc.result("getTransaction", signature, version)["slot"] == chain.tick() - 20


def test_bounded_history_bounds_what_is_kept(wallet: Keypair) -> None:
    chain = Chain(ChainConfig(clock="manual", history_slots=50))
    seed = Seed(chain)
    paid = [seed.pay_sol(Keypair().pubkey(), SOL) for _ in range(20)]
    mint = seed.create_mint()
    owner = Keypair()
    seed.create_ata(owner.pubkey(), mint)
    seed.close_ata(owner, mint)
    landed = chain.history.count()
    chain.advance(60)
    assert chain.history.get(paid[0]) is None
    assert list(chain.history.everything()) == []
    assert chain.history.count() == landed
    assert chain.first_available_slot() == chain.tick() - 50
    assert chain.accounts.token_accounts_of(owner.pubkey()) == []
    assert seed.ata(owner.pubkey(), mint) not in dict(chain.accounts.all())
    with pytest.raises(ValueError, match="above finalized_lag"):
        ChainConfig(history_slots=32)
