"""Tokens that somebody sent to an account of the wallet's token account count, and come home."""

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.money.attacks.moves import accept_wrapped_sol
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

PRICE = 5_000_000


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def pay_into(shop: Shop, customer: Customer, outer_mint: Pubkey, mint: Pubkey, amount: int = PRICE) -> Pubkey:
    """What a customer does who takes the address of a token account for that of a wallet; the nested account."""
    outer = shop.ata(customer.address, outer_mint)
    shop.seed.pay_token(outer, mint, amount)
    return shop.ata(outer, mint)


def payer_lamports(shop: Shop) -> int:
    return shop.seed.lamports(shop.deployment.fee_payer.pubkey)


def is_gone(shop: Shop, *addresses: Pubkey) -> bool:
    return all(shop.seed.lamports(address) == 0 for address in addresses)


def family(shop: Shop, customer: Customer, *mints: Pubkey) -> list[Pubkey]:
    own = [shop.ata(customer.address, mint) for mint in mints]
    return own + [shop.ata(outer, mint) for outer in own for mint in mints]


@pytest.mark.parametrize("program", ["classic", "token-2022"])
def test_a_price_paid_into_an_account_of_the_wallets_account_is_credited_and_comes_home(shop, program):
    mint = shop.accept_mint(**({"program": TOKEN_2022} if program == "token-2022" else {}))
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, mint)
    rent, before = shop.seed.lamports(nested), payer_lamports(shop)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.deployment.receiver, mint) == PRICE
    assert is_gone(shop, *family(shop, customer, mint))
    assert shop.findings(customer) == []
    # Rent of the nested account and of the wallet's own came back; what opens the receiver's account was paid.
    opened = shop.seed.lamports(shop.ata(shop.deployment.receiver, mint))
    fees = sum(one.fee for one in shop.transactions())
    assert payer_lamports(shop) == before + 2 * rent - opened - fees
    shop.maintain()
    assert shop.state(customer) == "sent_funds"


def test_it_comes_home_though_the_wallets_account_is_closed_by_then(shop):
    mint, other = shop.accept_mint(), shop.accept_mint()
    customer = shop.new_payment()
    outer = shop.ata(customer.address, other)
    nested = pay_into(shop, customer, other, mint)
    shop.seed.close_ata(customer.keypair, other)
    shop.seed.close_ata(customer.keypair, mint)
    before = payer_lamports(shop)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.deployment.receiver, mint) == PRICE
    assert is_gone(shop, outer, nested, *family(shop, customer, mint, other))
    rent, opened = 1_488_440, shop.seed.lamports(shop.ata(shop.deployment.receiver, mint))
    assert payer_lamports(shop) == before + rent - opened - sum(one.fee for one in shop.transactions())


def test_a_short_payment_there_is_held_and_told_with_its_account_which_stays_open(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, mint, 1_000_000)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.mint, held.amount) == ("short", mint, 1_000_000)
    assert str(nested) in held.explanation
    assert not is_gone(shop, shop.ata(customer.address, mint))
    shop.run("sweep", sweep_held_funds=True)
    assert shop.tokens_of(shop.deployment.receiver, mint) == 1_000_000
    assert is_gone(shop, *family(shop, customer, mint))


def test_a_token_with_a_transfer_fee_comes_home_less_the_fees_and_leaves_nothing_behind(shop):
    mint = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_sol(customer)
    pay_into(shop, customer, mint, mint)
    shop.settle_chain()
    shop.maintain()
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 4_851_495
    assert is_gone(shop, *family(shop, customer, mint))


def test_what_comes_after_the_peer_expired_and_closed_the_wallet_is_found_and_held(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.wait(hours=2)
    shop.seed.close_ata(customer.keypair, mint)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, WalletState.CLOSED)
    nested = pay_into(shop, customer, mint, mint)
    shop.settle_chain()
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.amount) == ("late", PRICE)
    assert str(nested) in held.explanation


def test_what_comes_after_the_sweep_comes_home_too(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_token(customer, mint)
    shop.settle_chain()
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    pay_into(shop, customer, mint, mint)
    shop.wait(days=2)
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 2 * PRICE
    assert is_gone(shop, *family(shop, customer, mint))


def test_accounts_of_different_token_programs_are_set_aside_by_name(shop):
    mint, other = shop.accept_mint(), shop.accept_mint(program=TOKEN_2022)
    customer = shop.new_payment()
    nested = pay_into(shop, customer, other, mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "failed_to_send_funds")
    (stuck,) = [one.finding for one in shop.findings(customer)]
    assert (stuck.code, stuck.mint, stuck.amount) == ("token_stuck", mint, PRICE)
    assert str(nested) in stuck.explanation
    assert not is_gone(shop, shop.ata(customer.address, other))


def test_an_account_of_an_account_of_an_account_is_set_aside_by_name(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    middle = pay_into(shop, customer, mint, mint)
    shop.seed.pay_token(middle, mint, 3_000_000)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "failed_to_send_funds")
    (stuck,) = [one.finding for one in shop.findings(customer) if one.finding.code != "overpaid"]
    assert (stuck.code, stuck.amount) == ("token_stuck", 3_000_000)
    assert str(shop.ata(middle, mint)) in stuck.explanation


def test_lamports_sent_to_a_nested_account_are_money_and_its_rent_goes_to_the_fee_payer(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_sol(customer)
    nested = pay_into(shop, customer, mint, mint)
    shop.seed.pay_sol(nested, 7_000_000)
    shop.settle_chain()
    home = shop.received()
    shop.maintain()
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    assert shop.received() - home == 107_000_000
    assert shop.tokens_of(shop.deployment.receiver, mint) == PRICE


@pytest.mark.parametrize("lamports", [900_000, 50_000_000])
def test_lamports_at_the_address_of_a_nested_account_that_is_not_open_come_home(shop, lamports):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    address = shop.ata(shop.ata(customer.address, mint), mint)
    shop.seed.pay_sol(address, lamports)
    shop.wait(hours=2)
    home, before = shop.received(), payer_lamports(shop)
    rent = shop.seed.lamports(shop.ata(customer.address, mint))
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.mint, held.amount) == ("unexpected", None, lamports)
    assert str(address) in held.explanation
    shop.run("sweep", sweep_held_funds=True)
    assert shop.received() - home == lamports
    assert is_gone(shop, *family(shop, customer, mint))
    assert payer_lamports(shop) == before + rent - sum(one.fee for one in shop.transactions())


def test_wrapped_sol_in_a_nested_account_comes_home_as_wrapped_sol(shop):
    mint = accept_wrapped_sol(shop)
    customer = shop.new_payment(prices={mint: "5"})
    nested = shop.seed.create_ata(shop.ata(customer.address, mint), mint)
    shop.seed.pay_sol(nested, 5 * SOL)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.deployment.receiver, NATIVE_MINT) == 5 * SOL
    assert is_gone(shop, *family(shop, customer, mint))


def test_an_empty_nested_account_is_closed_with_the_others_where_its_rent_is_worth_it(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.seed.create_ata(shop.ata(customer.address, mint), mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "payment_expired_and_wallet_closed")
    assert is_gone(shop, *family(shop, customer, mint))
