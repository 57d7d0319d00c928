"""What an operation may cost: RPC calls, transactions and lamports, for two hundred wallets."""

from collections import Counter
from datetime import timedelta

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

WALLETS = 200

# As on mainnet in all that counts calls: two polls or three a confirmation, and a blockhash that outlives the sweep.
MAINNET_PACE = ChainConfig(slot_seconds=0.4)

POLLS = ("getSignatureStatuses", "getBlockHeight")
"""How often these are asked is a matter of how long the work takes, and not of how much there is of it."""

LEAST_POLLS = 2


def assert_within(most_calls: float, calls: Counter[str]) -> None:
    """Hold the work and the fewest polls to `most_calls` a wallet, and what more polls there are to a tenth of a call."""
    polls = sum(calls[method] for method in POLLS)
    assert calls.total() - polls + LEAST_POLLS <= most_calls * WALLETS
    assert LEAST_POLLS <= polls <= 0.1 * WALLETS


def shop_with_paid_wallets(shop: Shop) -> tuple[list[Customer], object]:
    """Two accepted tokens, a wallet with both accounts for each customer, paid in one of them and accepted."""
    mint = shop.accept_mint()
    shop.accept_mint()
    customers = [
        shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        for _ in range(WALLETS)
    ]
    for customer in customers:
        shop.pay_token(customer, mint)
    shop.settle_chain()
    shop.node.calls.clear()
    return customers, mint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "most_calls", "most_transactions", "most_lamports"),
    [(0, 0.40, 0.26, 6_300), (1, 0.40, 0.26, 5_500)],
    ids=["version 0", "version 1"],
)
def test_a_sweep_of_two_hundred_wallets_stays_within_its_budget(
    tmp_path, capsys, version, most_calls, most_transactions, most_lamports
):
    with open_shop(tmp_path, config=MAINNET_PACE, version=version) as shop:
        customers, mint = shop_with_paid_wallets(shop)
        outcome = shop.run("sweep")
        calls = shop.node.calls
        with capsys.disabled():
            print(
                f"\nsweep, version {version}, a wallet: {calls.total() / WALLETS:.3f} RPC calls, "
                f"{outcome.transactions / WALLETS:.3f} transactions, {outcome.fees / WALLETS:.0f} lamports of fee; "
                f"{dict(calls)}"
            )
        assert outcome.swept == WALLETS
        assert shop.received(mint) == WALLETS * 5_000_000
        assert {shop.state(customer) for customer in customers} == {"sent_funds"}
        assert outcome.rpc_calls == calls
        assert_within(most_calls, calls)
        assert outcome.transactions <= most_transactions * WALLETS
        assert outcome.fees <= most_lamports * WALLETS


@pytest.mark.slow
def test_two_hundred_payments_that_the_peer_accepted_since_the_last_run_cost_no_more_to_tell_and_sweep(
    tmp_path, capsys
):
    with open_shop(tmp_path, config=MAINNET_PACE) as shop:
        shop.run("sweep")
        _, mint = shop_with_paid_wallets(shop)
        outcome = shop.run("sweep")
        with capsys.disabled():
            print(f"\ntell and sweep, a wallet: {shop.node.calls.total() / WALLETS:.3f} RPC calls")
        accepted = [each.body for each in shop.events() if each.kind == "payment.accepted"]
        assert [body["source"] for body in accepted] == ["peer"] * WALLETS
        assert {tuple(body["received"].items()) for body in accepted} == {((str(mint), "5000000"),)}
        assert outcome.swept == WALLETS
        assert_within(0.40, shop.node.calls)


@pytest.mark.slow
def test_a_recheck_of_two_hundred_unpaid_payments_takes_ten_calls_at_most(tmp_path, capsys):
    with open_shop(tmp_path, config=MAINNET_PACE) as shop:
        shop.accept_sol()
        shop.accept_mint()
        shop.accept_mint()
        for _ in range(WALLETS):
            shop.new_payment()
        shop.settle_chain()
        shop.node.calls.clear()
        outcome = shop.run("recheck")
        with capsys.disabled():
            print(
                f"\nrecheck of {WALLETS} unpaid: {shop.node.calls.total()} RPC calls; {dict(shop.node.calls)}"
            )
        assert outcome.looked_at == outcome.waiting == WALLETS
        assert shop.node.calls.total() <= 10


@pytest.mark.slow
def test_a_recheck_that_finds_two_hundred_paid_payments_asks_two_calls_of_history_for_each(tmp_path, capsys):
    with open_shop(tmp_path, config=MAINNET_PACE) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        shop.accept_mint()
        for number in range(WALLETS):
            customer = shop.new_payment()
            if number % 2:
                shop.pay_sol(customer)
            else:
                shop.pay_token(customer, mint)
        shop.settle_chain()
        shop.node.calls.clear()
        outcome = shop.run("recheck")
        calls = shop.node.calls
        with capsys.disabled():
            print(
                f"\nrecheck of {WALLETS} paid, a wallet: {calls.total() / WALLETS:.3f} RPC calls; {dict(calls)}"
            )
        assert outcome.accepted == outcome.swept == WALLETS
        assert calls["getSignaturesForAddress"] + calls["getTransaction"] == 2 * WALLETS
        assert_within(2.4, calls)


@pytest.mark.slow
def test_to_expire_two_hundred_unpaid_payments_and_close_their_wallets_asks_one_call_of_history_for_each(
    tmp_path, capsys
):
    with open_shop(tmp_path, config=MAINNET_PACE) as shop:
        shop.accept_mint()
        shop.accept_mint()
        for _ in range(WALLETS):
            shop.new_payment(lasts=timedelta(seconds=1))
        shop.finalize_chain()
        shop.node.calls.clear()
        outcome = shop.run("expire")
        calls = shop.node.calls
        with capsys.disabled():
            print(f"\nexpire of {WALLETS}, a wallet: {calls.total() / WALLETS:.3f} RPC calls; {dict(calls)}")
        assert outcome.expired == outcome.closed == WALLETS
        assert calls["getBlockTime"] <= 2, "how far back the node's history goes is asked once, not by each"
        assert calls["getSignaturesForAddress"] + calls["getTransaction"] == WALLETS
        assert_within(1.4, calls)
