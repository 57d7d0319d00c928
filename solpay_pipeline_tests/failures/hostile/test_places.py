"""Where money goes is the settings' word alone: a receiver that does not fit, or another one since, sends nothing astray."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.rpc.client import RpcOptions
from solpay_pipeline.chain.rpc.errors import WrongCluster
from solpay_pipeline.chain.rpc.failover import GENESIS
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline_tests.failures.ground import ask_by
from solpay_pipeline_tests.failures.hostile.signed import assert_money_goes_home_only, signed_by_us
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

OPERATIONS = ("expire", "sweep", "reclaim", "recheck")
ACCEPTED = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path, rpc_options=RpcOptions(retry_window_seconds=1)) as shop:
        shop.accept_sol()
        yield shop


@dataclass(frozen=True)
class InFlight:
    """A sweep that the first receiver's run left in the ledger; then the setting was changed."""

    shop: Shop
    customer: Customer
    first: Pubkey
    second: Pubkey


@contextmanager
def receiver_changed(shop: Shop, fault: Fault) -> Iterator[InFlight]:
    """One paid wallet, swept while `fault` keeps its fate from us."""
    customer = shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.node.faults.add(fault)
    shop.run("sweep", patience_seconds=0.1)
    shop.node.faults.clear()
    assert [row.state for row in shop.transactions()] == ["recorded"]
    first, second = shop.deployment.receiver, Keypair().pubkey()
    shop.seed.airdrop(second, SOL)
    shop.settle_chain()
    shop.move_home(second)
    yield InFlight(shop, customer, first, second)


def test_a_transaction_to_the_receiver_of_yesterday_is_not_sent_again_today(shop: Shop) -> None:
    with receiver_changed(shop, Fault("drop_before", methods={"sendTransaction"})) as scene:
        shop.run("sweep", patience_seconds=1)
        assert shop.node.calls["sendTransaction"] == 1
        assert shop.seed.lamports(scene.first) == SOL

        # Its blockhash is over now, and the money is planned anew, to where it belongs today.
        shop.chain.advance(400)
        shop.run("sweep")
        shop.run("sweep")
        assert shop.state(scene.customer) == "sent_funds"
        assert (shop.seed.lamports(scene.first), shop.seed.lamports(scene.second)) == (SOL, SOL + SOL // 10)
        assert shop.wallet_row(scene.customer).receiver_address == str(scene.second)


def test_what_landed_at_the_receiver_of_yesterday_is_recorded_as_there(shop: Shop) -> None:
    with receiver_changed(
        shop, Fault("drop_after", methods={"sendTransaction", "getSignatureStatuses"})
    ) as scene:
        shop.settle_chain()
        shop.run("sweep")
        assert shop.state(scene.customer) == "sent_funds"
        assert shop.seed.lamports(scene.first) == SOL + SOL // 10
        assert shop.wallet_row(scene.customer).receiver_address == str(scene.first)
        [event] = [event for event in shop.events(scene.customer) if event.kind == "wallet.swept"]
        assert event.body["receiver"] == str(scene.first)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_receiver_that_is_one_of_our_wallets_stops_the_run_unsigned(shop: Shop, operation: str) -> None:
    paid, other = shop.new_payment(**ACCEPTED), shop.new_payment()  # type: ignore[arg-type]
    shop.pay_sol(paid)
    shop.settle_chain()
    shop.deployment = replace(shop.deployment, receiver=other.address)
    with pytest.raises(Blocked, match="one of the shop's own one-time wallets"):
        shop.run(operation)
    assert shop.transactions() == []
    assert shop.node.calls["sendTransaction"] == 0


def test_an_endpoint_of_another_cluster_stops_every_operation_unsigned(shop: Shop) -> None:
    paid = shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]
    shop.pay_sol(paid)
    shop.settle_chain()
    shop.deployment = replace(shop.deployment, cluster="mainnet-beta")
    for operation in OPERATIONS:
        with pytest.raises(WrongCluster):
            shop.run(operation)
    assert shop.transactions() == []
    assert shop.node.calls.keys() == {"getGenesisHash"}


@pytest.mark.parametrize("first", [True, False], ids=["preferred", "spare"])
def test_one_endpoint_of_two_at_another_cluster_stops_every_operation_unsigned(
    shop: Shop, first: bool
) -> None:
    paid = shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]
    shop.pay_sol(paid)
    shop.settle_chain()
    with running(Chain(ChainConfig(slot_seconds=0.02, genesis_hash=GENESIS["devnet"]))) as devnet:
        urls = [devnet.url, shop.node.url] if first else [shop.node.url, devnet.url]
        ask_by(shop, urls, retry_window_seconds=1)
        for operation in OPERATIONS:
            with pytest.raises(WrongCluster, match="devnet"):
                shop.run(operation)
        assert shop.transactions() == []
        assert shop.node.calls["sendTransaction"] + devnet.calls["sendTransaction"] == 0


def test_a_spare_endpoint_that_was_down_at_first_is_asked_for_its_cluster_before_anything_else(
    shop: Shop,
) -> None:
    paid = shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]
    shop.pay_sol(paid)
    shop.settle_chain()
    with running(Chain(ChainConfig(slot_seconds=0.02, genesis_hash=GENESIS["devnet"]))) as devnet:
        devnet.faults.add(Fault("server_error", times=1))
        # Half way through, the good endpoint is gone and the spare one takes over.
        shop.node.faults.add(Fault("server_error", methods={"getLatestBlockhash"}, status=503))
        ask_by(shop, [shop.node.url, devnet.url], retry_window_seconds=2)
        with pytest.raises(WrongCluster, match="devnet"):
            shop.run("sweep")
        assert shop.transactions() == []
        assert devnet.calls.keys() == {"getGenesisHash"}


def test_two_receivers_in_two_runs_take_each_their_own_and_nothing_else(shop: Shop) -> None:
    first, one = shop.deployment.receiver, shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]
    shop.pay_sol(one)
    shop.settle_chain()
    shop.run("sweep")
    before = signed_by_us(shop)
    assert_money_goes_home_only(shop, before, first)

    second, two = Keypair().pubkey(), shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]
    shop.pay_sol(two)
    shop.settle_chain()
    shop.move_home(second)
    shop.run("sweep")
    assert_money_goes_home_only(shop, signed_by_us(shop) - before, second)
    assert shop.seed.lamports(second) == SOL // 10
    assert shop.wallet_row(one).receiver_address == str(first)
