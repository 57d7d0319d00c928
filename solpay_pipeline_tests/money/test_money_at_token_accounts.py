"""SOL that a customer sends to the address of a token account is the customer's money, and never rent."""

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.money.attacks.moves import accept_wrapped_sol
from solpay_pipeline_tests.shop import SOL, Shop, open_shop


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def payer_lamports(shop: Shop) -> int:
    return shop.seed.lamports(shop.deployment.fee_payer.pubkey)


def run_all(shop: Shop) -> list[object]:
    return [shop.run(one) for one in ("recheck", "expire", "sweep", "reclaim")]


def test_lamports_sent_to_an_open_token_account_of_an_unpaid_payment_are_held_and_told(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    account = shop.ata(customer.address, mint)
    rent = shop.seed.lamports(account)
    shop.seed.pay_sol(account, 100_000_000)
    before = payer_lamports(shop)
    shop.wait(hours=2)
    run_all(shop)
    assert shop.status(customer) == "expired"
    assert shop.state(customer) == "received_funds"
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.mint, held.amount) == ("unexpected", None, 100_000_000)
    assert str(account) in held.explanation
    assert shop.seed.lamports(account) == rent + 100_000_000
    assert payer_lamports(shop) == before


def test_held_lamports_of_a_token_account_go_to_the_receiver_and_its_rent_to_the_fee_payer(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    account = shop.ata(customer.address, mint)
    rent = shop.seed.lamports(account)
    shop.seed.pay_sol(account, 100_000_000)
    shop.wait(hours=2)
    shop.run("expire")
    home, before = shop.received(), payer_lamports(shop)
    outcome = shop.run("sweep", sweep_held_funds=True)
    assert shop.received() - home == 100_000_000
    assert payer_lamports(shop) - before == rent - outcome.fees
    assert shop.seed.lamports(account) == 0
    assert outcome.amounts == {"SOL": 100_000_000}
    assert outcome.rent == rent


def test_lamports_beside_tokens_of_an_accepted_payment_go_home_with_them(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    account = shop.ata(customer.address, mint)
    rent = shop.seed.lamports(account)
    shop.pay_token(customer, mint)
    shop.seed.pay_sol(account, 7_000_000)
    shop.settle_chain()
    home = shop.received()
    outcome = shop.run("sweep")
    assert shop.state(customer) == "sent_funds"
    assert shop.received() - home == 7_000_000
    assert shop.tokens_of(shop.deployment.receiver, mint) == 5_000_000
    assert outcome.rent == rent


def test_lamports_at_the_address_of_an_account_that_is_closed_are_found_and_brought_home(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(
        status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT, with_accounts=False
    )
    address = shop.ata(customer.address, mint)
    shop.pay_sol(customer)
    shop.seed.pay_sol(address, 3_000_000)
    shop.settle_chain()
    home = shop.received()
    outcome = shop.run("sweep")
    assert shop.state(customer) == "sent_funds"
    assert shop.received() - home == 103_000_000
    assert shop.seed.lamports(address) == 0
    assert (outcome.amounts, outcome.rent, outcome.set_aside) == ({"SOL": 103_000_000}, 0, ())


def test_less_than_an_account_costs_is_brought_home_and_the_fee_payer_gets_back_what_it_added(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(
        status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT, with_accounts=False
    )
    address = shop.ata(customer.address, mint)
    shop.pay_sol(customer)
    shop.seed.pay_sol(address, 900_000)
    shop.settle_chain()
    home, before = shop.received(), payer_lamports(shop)
    outcome = shop.run("sweep")
    assert shop.state(customer) == "sent_funds"
    assert shop.received() - home == 100_900_000
    assert before - payer_lamports(shop) == outcome.fees


def test_an_unpaid_wallet_with_lamports_where_no_account_is_open_is_held_and_told(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(with_accounts=False)
    address = shop.ata(customer.address, mint)
    shop.seed.pay_sol(address, 3_000_000)
    shop.wait(hours=2)
    run_all(shop)
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.amount) == ("unexpected", 3_000_000)


def test_sol_in_time_at_the_wrapped_sol_account_pays_a_price_in_wrapped_sol(shop):
    mint = accept_wrapped_sol(shop)
    customer = shop.new_payment(prices={mint: "5"})
    shop.seed.pay_sol(shop.ata(customer.address, mint), 5 * SOL)
    shop.settle_chain()
    shop.run("recheck")
    assert shop.status(customer) == "confirmed"
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 5 * SOL
    assert shop.findings(customer) == []
