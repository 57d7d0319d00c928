"""An issuer closes the mint of an accepted token: the life of no payment ends with it."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.shop import Shop, open_shop

PRICE = 5_000_000


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def accept_closable(shop: Shop) -> Pubkey:
    """A token of the shop beside one that stays, so that the ledger finds a token of its cluster."""
    shop.accept_mint()
    return shop.accept_mint(program=TOKEN_2022, extensions=["mint_close_authority"])


def close_mint(shop: Shop, mint: Pubkey) -> None:
    payer = shop.seed.customer.pubkey()
    keys = [AccountMeta(mint, False, True), AccountMeta(payer, False, True), AccountMeta(payer, True, False)]
    shop.seed.send([Instruction(TOKEN_2022, b"\x09", keys)])
    shop.settle_chain()


def make_anew(shop: Shop, mint: Pubkey, decimals: int) -> None:
    """Another mint at the same address, as its issuer can make one with the address' key."""
    other = shop.seed.create_mint(decimals, program=TOKEN_2022)
    shop.chain.put_account(mint, shop.chain.accounts.newest(other))
    shop.settle_chain()


def test_a_wallet_that_was_paid_in_sol_comes_to_rest_and_its_account_of_the_mint_is_closed(shop):
    mint = accept_closable(shop)
    customer = shop.new_payment()
    account = shop.ata(customer.address, mint)
    shop.pay_sol(customer)
    close_mint(shop, mint)
    outcome = shop.run("recheck")
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.seed.lamports(account) == 0
    assert (outcome.set_aside, shop.findings(customer)) == ((), [])


def test_an_unpaid_payment_expires_and_its_wallet_is_closed(shop):
    mint = accept_closable(shop)
    customer = shop.new_payment()
    account = shop.ata(customer.address, mint)
    close_mint(shop, mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "payment_expired_and_wallet_closed")
    assert shop.seed.lamports(account) == 0
    assert shop.findings(customer) == []


def test_a_short_payment_in_sol_is_held_and_its_account_of_the_mint_is_closed(shop):
    mint = accept_closable(shop)
    customer = shop.new_payment()
    account = shop.ata(customer.address, mint)
    shop.pay_sol(customer, "0.05")
    close_mint(shop, mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    assert shop.seed.lamports(account) == 0
    assert shop.codes(customer) == {"short"}


@pytest.mark.parametrize("is_accepted", [True, False], ids=["accepted", "unpaid"])
def test_units_of_a_mint_that_is_gone_are_set_aside_by_name(shop, is_accepted):
    mint = accept_closable(shop)
    customer = shop.new_payment()
    account = shop.ata(customer.address, mint)
    shop.pay_token(customer, mint, "1")
    if is_accepted:
        shop.pay_sol(customer)
        shop.settle_chain()
        shop.run("recheck", forward_funds=False)
    gone = shop.chain.accounts.newest(mint)
    shop.chain.put_account(mint, None)
    shop.wait(hours=2)
    shop.maintain()
    expected = ("confirmed", "failed_to_send_funds") if is_accepted else ("initiated", "created")
    assert (shop.status(customer), shop.state(customer)) == expected
    (aside,) = [one.finding for one in shop.findings(customer) if one.finding.code != "overpaid"]
    assert (aside.code, aside.mint) == ("mint_unreadable", mint)
    assert "1000000" in aside.explanation
    assert str(account) in aside.explanation
    shop.chain.put_account(mint, gone)
    shop.settle_chain()
    shop.maintain()
    assert "mint_unreadable" not in shop.codes(customer)


def test_a_mint_that_is_made_anew_with_other_decimals_credits_nobody_by_the_new_ones(shop):
    mint = accept_closable(shop)
    customer, in_sol = shop.new_payment(), shop.new_payment()
    shop.settle_chain()
    shop.run("recheck")
    make_anew(shop, mint, decimals=2)
    shop.seed.pay_token(customer.address, mint, 500)
    shop.pay_sol(in_sol)
    shop.wait(hours=2)
    outcomes = shop.maintain()
    assert shop.status(customer) == "initiated"
    (aside,) = [one.finding for one in shop.findings(customer)]
    assert (aside.code, aside.mint, aside.amount) == ("mint_changed", mint, 500)
    assert "has 2 decimals and had 6" in aside.explanation
    assert any(one.set_aside for one in outcomes)
    assert (shop.status(in_sol), shop.state(in_sol)) == ("confirmed", "sent_funds")


def test_a_mint_that_is_made_anew_with_the_same_decimals_is_the_same_price(shop):
    mint = accept_closable(shop)
    customer = shop.new_payment()
    shop.settle_chain()
    shop.run("recheck")
    make_anew(shop, mint, decimals=6)
    shop.pay_token(customer, mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")


def test_an_operator_who_expires_such_a_payment_has_its_money_held(shop):
    mint = accept_closable(shop)
    customer = shop.new_payment()
    shop.settle_chain()
    shop.run("recheck")
    make_anew(shop, mint, decimals=2)
    shop.seed.pay_token(customer.address, mint, 500)
    shop.wait(hours=2)
    shop.maintain()
    shop.change_payment(customer, status="expired")
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    assert shop.codes(customer) == {"short"}
