"""A wallet that is called finished is checked, whoever called it so, and money that comes to it is found at last."""

from datetime import timedelta

import pytest
from solders.system_program import TransferParams, transfer

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.shop import open_shop


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def test_accounts_that_the_peer_left_open_give_their_rent_back(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.SENT_FUNDS)
    shop.pay_sol(customer)
    home = TransferParams(
        from_pubkey=customer.address, to_pubkey=shop.deployment.receiver, lamports=100_000_000
    )
    shop.seed.send([transfer(home)], [customer.keypair])
    shop.settle_chain()
    assert shop.has_account(customer, mint)
    shop.run("expire")
    outcome = shop.run("sweep")
    assert not shop.has_account(customer, mint)
    assert outcome.rent > outcome.fees
    assert shop.state(customer) == "sent_funds"


def test_money_that_came_while_the_pipeline_was_off_for_longer_than_it_watches_is_held(shop):
    customer = shop.new_payment()
    shop.wait(hours=2)
    shop.maintain()
    assert shop.state(customer) == "payment_expired_and_wallet_closed"
    shop.wait(days=2)
    shop.pay_sol(customer)
    shop.wait(days=7)
    shop.maintain()
    assert shop.state(customer) == "received_funds"
    assert shop.codes(customer) == {"late"}


def test_a_wallet_that_was_just_looked_at_costs_the_next_run_nothing(shop):
    for _ in range(5):
        shop.new_payment()
    shop.wait(hours=2)
    shop.maintain()
    shop.run("expire")
    shop.node.calls.clear()
    shop.run("expire")
    first = sum(shop.node.calls.values())
    shop.node.calls.clear()
    shop.run("expire")
    assert sum(shop.node.calls.values()) == first
    assert shop.node.calls["getSignaturesForAddress"] == 0


def test_the_watch_grows_rarer_with_the_age_of_the_payment_and_not_with_the_last_look(shop):
    customer = shop.new_payment()
    shop.wait(days=30)
    shop.maintain()
    shop.run("expire")
    shop.pay_sol(customer)
    shop.wait(days=2)
    shop.run("expire")
    assert shop.codes(customer) == set(), "it was looked at a moment ago, for the first time after a month"
    shop.wait(days=30)
    shop.run("expire")
    assert shop.codes(customer) == {"late"}


def test_dust_is_held_and_the_empty_accounts_of_its_wallet_are_closed(shop):
    mints = [shop.accept_mint(), shop.accept_mint()]
    customer = shop.new_payment()
    shop.seed.pay_sol(customer.address, 890_880)
    shop.wait(hours=2)
    shop.maintain()
    assert shop.state(customer) == "received_funds"
    assert not any(shop.has_account(customer, mint) for mint in mints)
    assert shop.seed.lamports(customer.address) == 890_880


@pytest.mark.parametrize("state", [WalletState.CLOSED, WalletState.PAYMENT_EXPIRED])
def test_a_shop_with_years_of_history_is_taken_over_by_balances_alone_and_counted(shop, state):
    old = [
        shop.new_payment(status=PaymentStatus.EXPIRED, state=state, lasts=timedelta(days=-30))
        for _ in range(3)
    ]
    shop.node.calls.clear()
    first = shop.maintain()
    assert shop.node.calls["getSignaturesForAddress"] == 0
    assert max(one.before_our_time for one in first) == len(old)
    shop.finalize_chain()
    shop.maintain()
    assert {shop.state(one) for one in old} == {"payment_expired_and_wallet_closed"}
    assert not shop.findings()
    shop.node.calls.clear()
    again = shop.run("expire")
    assert again.before_our_time == again.looked_at == 0
    assert shop.node.calls["getMultipleAccounts"] <= 2


def test_money_in_a_wallet_from_before_our_time_is_held_all_the_same(shop):
    old = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.CLOSED, lasts=timedelta(days=-30))
    shop.pay_sol(old)
    shop.settle_chain()
    shop.maintain()
    assert shop.state(old) == "received_funds"
    assert shop.codes(old) == {"late"}


def test_the_history_of_a_payment_from_before_our_time_is_read_where_an_operator_names_it(shop):
    old = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.CLOSED, lasts=timedelta(days=-30))
    shop.node.calls.clear()
    shop.run("recheck", payment_ids=frozenset({old.payment_id}))
    assert shop.node.calls["getSignaturesForAddress"] > 0
