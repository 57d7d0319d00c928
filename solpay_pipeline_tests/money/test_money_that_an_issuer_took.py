"""A token's permanent delegate takes what a customer paid, by a transaction that names no wallet: it was paid all the same."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

PRICE = 5_000_000


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shop(request, tmp_path):
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with open_shop(tmp_path, database_url=url) as shop:
        shop.accept_sol()
        yield shop


@pytest.fixture
def mint(shop):
    return shop.accept_mint(program=TOKEN_2022, extensions=["permanent_delegate"])


def take(shop: Shop, customer: Customer, mint: Pubkey, amount: int = PRICE, *, is_burnt: bool = False) -> str:
    """The permanent delegate moves tokens to himself, or burns them."""
    delegate, account = shop.seed.customer.pubkey(), shop.ata(customer.address, mint)
    own = shop.seed.create_ata(delegate, mint)
    kind, named = (15, [account, mint]) if is_burnt else (12, [account, mint, own])
    keys = [AccountMeta(one, False, True) for one in named] + [AccountMeta(delegate, True, False)]
    content = bytes([kind]) + amount.to_bytes(8, "little") + bytes([6])
    return shop.seed.send([Instruction(TOKEN_2022, content, keys)])


@pytest.mark.parametrize("is_burnt", [False, True], ids=["moved", "burnt"])
@pytest.mark.parametrize("state", [WalletState.CREATED, WalletState.PAYMENT_EXPIRED, WalletState.CLOSED])
def test_what_was_paid_in_time_and_taken_back_is_accepted_and_told(shop, mint, state, is_burnt):
    customer = shop.new_payment()
    paid_by = shop.pay_token(customer, mint)
    taken_by = take(shop, customer, mint, is_burnt=is_burnt)
    if state is not WalletState.CREATED:
        shop.change_payment(customer, status="expired")
        shop.set_state(customer, state)
    shop.wait(hours=2)
    shop.finalize_chain()
    shop.maintain()
    assert shop.status(customer) == "confirmed"
    assert shop.payment_row(customer).signature == paid_by
    [lost] = [one.finding for one in shop.findings(customer) if one.finding.code == "funds_elsewhere"]
    assert (lost.mint, lost.amount) == (mint, PRICE)
    assert taken_by in lost.explanation
    assert shop.state(customer) == "failed_to_send_funds"


def test_what_was_taken_of_too_little_is_told_as_well(shop, mint):
    customer = shop.new_payment()
    shop.pay_token(customer, mint, "2")
    take(shop, customer, mint, 2_000_000)
    shop.wait(hours=2)
    shop.finalize_chain()
    shop.maintain()
    assert shop.status(customer) == "expired"
    assert "funds_elsewhere" in shop.codes(customer)


def test_an_unpaid_payment_of_such_a_token_expires_and_closes(shop, mint):
    customer = shop.new_payment()
    shop.wait(hours=2)
    outcomes = shop.maintain()
    assert shop.status(customer) == "expired"
    assert shop.state(customer) == "payment_expired_and_wallet_closed"
    assert not shop.has_account(customer, mint)
    assert outcomes[0].rpc_calls.get("getTransaction", 0) == 0
