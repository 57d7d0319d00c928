"""Strangers who name a wallet in many transactions neither stop a payment nor set the price of our work."""

from collections.abc import Iterable

import pytest

from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

DUST = 100
PRICE = 10**8
LEAST = 890_880


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def dust(shop: Shop, customer: Customer, count: int = DUST) -> None:
    """Lamports from a stranger, one by one; the first keeps the wallet on the chain."""
    is_new = not shop.seed.lamports(customer.address)
    for number in range(count):
        shop.seed.pay_sol(customer.address, LEAST if is_new and number == 0 else 1)


def reads(outcomes: Iterable[Outcome]) -> int:
    return sum(one.rpc_calls.get("getTransaction", 0) for one in outcomes)


def test_each_transaction_of_a_stranger_is_read_once_over_all_runs(shop):
    customer = shop.new_payment()
    dust(shop, customer)
    shop.finalize_chain()
    shop.wait(hours=2)
    outcomes = []
    for _ in range(3):
        outcomes += shop.maintain()
        outcomes.append(shop.run("recheck", payment_ids=frozenset({customer.payment_id})))
        shop.finalize_chain()
        shop.wait(days=2)
    assert shop.state(customer) == "received_funds"
    assert DUST <= reads(outcomes) <= DUST + 10


def test_what_may_still_be_taken_back_is_not_remembered(shop):
    customer = shop.new_payment()
    dust(shop, customer, 20)
    shop.settle_chain()
    shop.wait(hours=2)
    first, second = (
        shop.run("recheck", payment_ids=frozenset({customer.payment_id})),
        shop.run("recheck", payment_ids=frozenset({customer.payment_id})),
    )
    assert reads([first]) == reads([second]) == 20


def test_a_dry_run_remembers_nothing(shop):
    customer = shop.new_payment()
    dust(shop, customer, 20)
    shop.finalize_chain()
    shop.wait(hours=2)
    outcomes = [shop.run("expire", dry_run=True), shop.run("expire", dry_run=True)]
    assert reads(outcomes) == 40


@pytest.mark.parametrize("is_buried", [True, False], ids=["before the dust", "after the dust"])
def test_a_payment_in_full_costs_a_few_reads_however_much_dust_lies_around_it(shop, is_buried):
    customer = shop.new_payment()
    if is_buried:
        paid_by = shop.pay_sol(customer)
        dust(shop, customer)
    else:
        dust(shop, customer)
        paid_by = shop.pay_sol(customer)
    shop.settle_chain()
    outcome = shop.run("recheck")
    assert outcome.accepted == 1
    assert shop.payment_row(customer).signature == paid_by
    assert reads([outcome]) <= 12
    assert shop.state(customer) == "sent_funds"


def test_a_payment_that_became_whole_only_after_its_time_is_late_under_dust_too(shop):
    customer = shop.new_payment()
    shop.seed.pay_sol(customer.address, PRICE // 2)
    dust(shop, customer, 100)
    shop.wait(hours=1)
    shop.seed.pay_sol(customer.address, PRICE // 2)
    shop.finalize_chain()
    shop.run("expire")
    assert shop.status(customer) == "expired"
    assert shop.codes(customer) == {"late"}


def test_dust_at_the_wallet_does_not_hide_a_payment_at_its_token_account(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    dust(shop, customer, 100)
    paid_by = shop.pay_token(customer, mint)
    shop.settle_chain()
    shop.run("recheck")
    assert shop.payment_row(customer).signature == paid_by
    assert shop.state(customer) == "sent_funds"


@pytest.mark.slow
def test_a_payment_under_more_dust_than_is_ever_read_is_credited(shop):
    customer = shop.new_payment()
    paid_by = shop.pay_sol(customer)
    dust(shop, customer, 5_500)
    shop.settle_chain()
    outcome = shop.run("recheck")
    assert shop.payment_row(customer).signature == paid_by
    assert sum(outcome.rpc_calls.values()) < 100
