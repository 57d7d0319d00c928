"""A stranger's token in a paid wallet keeps it from nothing: the wallet's own money goes home, the rest is told."""

from collections.abc import Callable

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.shop import Customer, Shop, open_shop


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def frozen(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint()
    shop.seed.create_ata(shop.receiver, mint)
    shop.seed.freeze(shop.seed.mint_to(customer.address, mint, 7), mint)
    return mint


def hooked(shop: Shop, customer: Customer) -> Pubkey:
    hook = Keypair().pubkey()
    mint = shop.seed.create_mint(program=TOKEN_2022, extensions=["transfer_hook"], hook_program=hook)
    shop.seed.create_ata(shop.receiver, mint)
    shop.seed.mint_to(customer.address, mint, 7)
    return mint


def paused(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint(program=TOKEN_2022, extensions=["pausable"])
    shop.seed.create_ata(shop.receiver, mint)
    shop.seed.mint_to(customer.address, mint, 7)
    shop.seed.pause(mint)
    return mint


def bound_to_its_holder(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint(program=TOKEN_2022, extensions=["non_transferable"])
    shop.seed.mint_to(customer.address, mint, 7)
    return mint


def of_a_mint_that_is_gone(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint()
    shop.seed.mint_to(customer.address, mint, 7)
    shop.chain.put_account(mint, None)
    return mint


def of_a_mint_that_is_none(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint()
    account = shop.seed.mint_to(customer.address, mint, 7)
    shop.chain.put_account(mint, shop.chain.accounts.newest(account))
    return mint


def that_the_receiver_has_no_account_for(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint()
    shop.seed.mint_to(customer.address, mint, 7)
    return mint


def in_an_account_that_only_a_stranger_may_close(shop: Shop, customer: Customer) -> Pubkey:
    mint = shop.seed.create_mint()
    shop.seed.set_close_authority(customer.keypair, mint, Keypair().pubkey())
    return mint


SPAM = [
    frozen,
    hooked,
    paused,
    bound_to_its_holder,
    of_a_mint_that_is_gone,
    of_a_mint_that_is_none,
    that_the_receiver_has_no_account_for,
    in_an_account_that_only_a_stranger_may_close,
]


@pytest.mark.parametrize("spam", SPAM)
def test_a_paid_wallet_comes_to_rest_whatever_a_stranger_sends_it(
    shop, spam: Callable[[Shop, Customer], Pubkey]
):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    strange = spam(shop, customer)
    shop.pay_token(customer, mint)
    shop.settle_chain()
    outcomes = shop.maintain(discover_accounts=True)
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.receiver, mint) == 5_000_000
    (told,) = [one.finding for one in shop.findings(customer)]
    assert (told.code, told.mint) == ("unasked", strange)
    assert not any(finding.is_set_aside for one in outcomes for finding in one.set_aside)
    # A look on a later day finds nothing to do either.
    shop.wait(days=2)
    later = shop.maintain(discover_accounts=True)
    assert shop.state(customer) == "sent_funds"
    assert sum(one.returned for one in later) == 0
    assert shop.codes(customer) == {"unasked"}


def test_a_token_that_nobody_asked_for_goes_home_where_the_receiver_has_an_account_for_it(shop):
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    strange = that_the_receiver_has_no_account_for(shop, customer)
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.maintain(discover_accounts=True)
    assert shop.codes(customer) == {"unasked"}
    shop.seed.create_ata(shop.receiver, strange)
    shop.wait(days=2)
    shop.maintain(discover_accounts=True)
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.receiver, strange) == 7
    assert shop.findings(customer) == []


def test_an_unpaid_wallet_closes_though_a_stranger_gave_it_an_account_that_only_he_may_close(shop):
    customer = shop.new_payment()
    in_an_account_that_only_a_stranger_may_close(shop, customer)
    shop.wait(hours=2)
    shop.maintain(discover_accounts=True)
    assert (shop.status(customer), shop.state(customer)) == ("expired", "payment_expired_and_wallet_closed")


@pytest.mark.parametrize("spam", [of_a_mint_that_is_gone, of_a_mint_that_is_none])
def test_in_an_unpaid_wallet_what_cannot_be_read_is_held_and_told(
    shop, spam: Callable[[Shop, Customer], Pubkey]
):
    customer = shop.new_payment()
    strange = spam(shop, customer)
    shop.wait(hours=2)
    shop.maintain(discover_accounts=True)
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.mint) == ("unexpected", strange)
    assert "7 base units" in held.explanation


def test_a_frozen_token_that_a_price_names_is_still_set_aside(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_token(customer, mint)
    shop.seed.freeze(shop.ata(customer.address, mint), mint)
    shop.settle_chain()
    shop.maintain()
    assert shop.state(customer) == "failed_to_send_funds"
    assert shop.codes(customer) == {"token_stuck"}
