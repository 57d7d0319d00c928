"""A shop edits, extends or deletes a payment while its customer pays: what the customer saw is what counts."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.records.tables import PRICE_COLUMN
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

OPERATIONS = ("recheck", "expire", "sweep", "reclaim")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shop(request, tmp_path):
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with open_shop(tmp_path, database_url=url) as shop:
        shop.accept_sol()
        yield shop


def run_all(shop: Shop) -> None:
    for operation in OPERATIONS:
        shop.run(operation)


def edit_mint(shop: Shop, mint: Pubkey) -> Pubkey:
    """The shop writes another mint into its token's row."""
    other, table = shop.seed.create_mint(), shop.deployment.tables.token
    with shop.deployment.engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.mint_address == str(mint)).values(mint_address=str(other))
        )
    return other


def edit_price(shop: Shop, customer: Customer, price: Decimal) -> None:
    tables = shop.deployment.tables
    link = tables.payment_price
    mine = sa.select(link.c[PRICE_COLUMN]).where(link.c[tables.payment_column] == customer.payment_id)
    with shop.deployment.engine.begin() as connection:
        connection.execute(
            sa.update(tables.price).where(tables.price.c.id.in_(mine)).values(amount_in_crypto=price)
        )


def test_a_mint_that_is_edited_after_we_saw_the_payment_takes_nothing_from_the_customer(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.run("recheck")
    shop.pay_token(customer, mint)
    edit_mint(shop, mint)
    shop.wait(hours=2)
    run_all(shop)
    assert shop.status(customer) == "confirmed"
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 5_000_000
    assert "offer_changed" in shop.codes(customer)


def test_a_price_that_is_raised_after_the_customer_paid_the_old_one_is_paid(shop):
    customer = shop.new_payment()
    shop.run("recheck")
    shop.pay_sol(customer)
    shop.settle_chain()
    edit_price(shop, customer, Decimal(9))
    shop.run("recheck")
    assert shop.status(customer) == "confirmed"
    assert "offer_changed" in shop.codes(customer)


def test_a_time_that_is_extended_while_we_ask_the_chain_is_not_expired(shop, monkeypatch):
    customer = shop.new_payment()
    shop.wait(hours=2)
    payment = shop.deployment.tables.payment

    def extend() -> None:
        with shop.deployment.engine.begin() as connection:
            connection.execute(
                sa.update(payment)
                .where(payment.c.id == customer.payment_id)
                .values(expiration_date=shop.now() + timedelta(hours=2))
            )

    open_rpc = shop.deployment.open_rpc

    def extending(sleep: float):
        rpc = open_rpc(sleep)
        page = rpc.history_page

        async def while_we_ask(*args, **kwargs):
            extend()
            return await page(*args, **kwargs)

        monkeypatch.setattr(rpc, "history_page", while_we_ask)
        return rpc

    shop.deployment = replace(shop.deployment, open_rpc=extending)
    outcome = shop.run("expire")
    assert (outcome.expired, outcome.skipped) == (0, 1)
    assert shop.status(customer) == "initiated"
    assert shop.state(customer) == "created"


@pytest.mark.parametrize(
    "state", [WalletState.CREATED, WalletState.SENT_FUNDS, WalletState.CLOSED, WalletState.PROCESSING_PAYMENT]
)
def test_a_wallet_whose_payment_was_deleted_is_told_in_every_state(shop, state):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=state)
    shop.pay_token(customer, mint)
    tables = shop.deployment.tables
    with shop.deployment.engine.begin() as connection:
        link = tables.payment_price
        connection.execute(sa.delete(link).where(link.c[tables.payment_column] == customer.payment_id))
        connection.execute(sa.delete(tables.payment).where(tables.payment.c.id == customer.payment_id))
    shop.settle_chain()
    run_all(shop)
    assert shop.codes(customer) == {"no_payment"}


def test_two_payments_with_one_address_are_credited_once_and_both_told(shop):
    first = shop.new_payment()
    second = shop.new_payment(keypair=first.keypair)
    shop.pay_sol(first)
    shop.settle_chain()
    run_all(shop)
    assert sorted([shop.status(first), shop.status(second)]) == ["confirmed", "initiated"]
    assert "duplicate_address" in shop.codes(first) & shop.codes(second)


def test_a_token_that_is_deleted_after_its_customer_paid_holds_up_nobody(shop):
    mint, tables = shop.accept_mint(), shop.deployment.tables
    by_token, by_sol = shop.new_payment(), shop.new_payment()
    shop.run("recheck")
    shop.pay_token(by_token, mint)
    shop.pay_sol(by_sol)
    token, price, link = tables.token, tables.price, tables.payment_price
    of_mint = sa.select(token.c.id).where(token.c.mint_address == str(mint))
    prices = sa.select(price.c.id).where(price.c.token_id.in_(of_mint))
    with shop.deployment.engine.begin() as connection:
        connection.execute(sa.delete(link).where(link.c[PRICE_COLUMN].in_(prices)))
        connection.execute(sa.delete(price).where(price.c.token_id.in_(of_mint)))
        connection.execute(sa.delete(token).where(token.c.mint_address == str(mint)))
    shop.wait(hours=2)
    run_all(shop)
    assert [shop.status(one) for one in (by_token, by_sol)] == ["confirmed", "confirmed"]


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen before", "never seen"])
def test_an_address_that_is_edited_to_a_strangers_is_not_credited_with_his_money(shop, is_seen):
    customer = shop.new_payment()
    if is_seen:
        shop.run("recheck")
    stranger = Keypair().pubkey()
    shop.seed.pay_sol(stranger, SOL // 10)
    shop.settle_chain()
    shop.change_payment(customer, payment_address=str(stranger))
    outcome = shop.run("recheck")
    assert (outcome.accepted, outcome.is_clean) == (0, False)
    assert shop.status(customer) == "initiated"
    assert shop.codes(customer) == {"key_mismatch"}


@pytest.mark.parametrize("check_history", [True, False])
def test_an_edited_address_expires_no_paid_payment_and_once_put_back_it_is_paid(shop, check_history):
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.change_payment(customer, payment_address=str(Keypair().pubkey()))
    shop.wait(hours=2)
    outcome = shop.run("expire", check_history=check_history)
    assert (outcome.expired, outcome.is_clean) == (0, False)
    assert shop.status(customer) == "initiated"
    shop.change_payment(customer, payment_address=str(customer.address))
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")


@pytest.mark.parametrize("operations", [OPERATIONS, ("expire", "sweep", "reclaim")])
def test_a_mint_that_is_edited_before_we_ever_saw_the_payment_leaves_its_money_held_and_told(
    shop, operations
):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.pay_token(customer, mint)
    edit_mint(shop, mint)
    shop.wait(hours=2)
    shop.finalize_chain()
    for operation in operations:
        shop.run(operation)
    assert shop.status(customer) == "expired"
    assert shop.state(customer) == "received_funds"
    [held] = [one.finding for one in shop.findings(customer) if one.finding.code == "unexpected"]
    assert (held.mint, held.amount) == (mint, 5_000_000)
    assert shop.tokens_of(customer.address, mint) == 5_000_000


def test_an_unpaid_payment_whose_mint_is_edited_before_we_saw_it_gives_its_rent_back(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    edit_mint(shop, mint)
    shop.wait(hours=2)
    shop.finalize_chain()
    shop.maintain()
    assert shop.status(customer) == "expired"
    assert shop.seed.lamports(shop.ata(customer.address, mint)) == 0


def test_an_address_that_is_edited_after_the_sweep_is_told(shop):
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.run("recheck")
    assert shop.state(customer) == "sent_funds"
    shop.change_payment(customer, payment_address=str(Keypair().pubkey()))
    shop.wait(days=1)
    shop.run("expire")
    assert shop.codes(customer) == {"key_mismatch"}
    assert shop.state(customer) == "sent_funds"


def test_a_token_id_that_names_another_mint_by_now_is_not_written_as_what_was_paid(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.run("recheck")
    shop.pay_token(customer, mint)
    shop.settle_chain()
    edit_mint(shop, mint)
    shop.run("recheck")
    assert shop.status(customer) == "confirmed"
    assert shop.payment_row(customer).paid_token_id is None
    [accepted] = [one for one in shop.events(customer) if one.kind == "payment.accepted"]
    assert accepted.body["mint"] == str(mint)


def test_an_address_that_is_edited_when_money_is_held_closes_no_wallet(shop):
    customer = shop.new_payment()
    shop.wait(hours=2)
    shop.run("expire")
    shop.pay_sol(customer)
    shop.wait(days=2)
    shop.run("expire")
    assert shop.state(customer) == "received_funds"
    shop.change_payment(customer, payment_address=str(Keypair().pubkey()))
    shop.wait(days=2)
    shop.maintain()
    assert shop.state(customer) != "payment_expired_and_wallet_closed"
    assert "key_mismatch" in shop.codes(customer)
