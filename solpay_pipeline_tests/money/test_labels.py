"""What is said of a customer's money is the same, whenever anybody looks: before the sweep, after it, or in between."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline_tests.money.attacks.moves import accept_wrapped_sol
from solpay_pipeline_tests.money.conftest import Street
from solpay_pipeline_tests.money.test_rows_that_shops_change import edit_price
from solpay_pipeline_tests.shop import SOL, Customer, Shop

UNITS = 10**6
PRICE = 5 * UNITS
SOL_PRICE = SOL // 10

Labels = set[tuple[str, Pubkey | None, int]]


def labels(shop: Shop, customer: Customer) -> Labels:
    found = [one.finding for one in shop.findings(customer)]
    return {(one.code.value, one.mint, one.amount) for one in found}


def look(shop: Shop) -> None:
    shop.run("recheck")
    shop.maintain()


def look_without_moving(shop: Shop) -> None:
    shop.run("recheck", forward_funds=False)


LOOKS: dict[str, Callable[[Shop], None]] = {
    "nobody looks in between": lambda _: None,
    "one look lies between": look_without_moving,
    "a sweep lies between": look,
}


@pytest.mark.parametrize("between", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("in_what", ["the same token", "another token", "SOL, paid in a token"])
def test_too_much_is_too_much_whenever_it_comes(
    street: Street, between: Callable[[Shop], None], in_what: str
) -> None:
    shop, customer = street.shop, street.shop.new_payment()
    first, second = {
        "the same token": (None, None),
        "another token": (None, street.usdc),
        "SOL, paid in a token": (street.pyusd, None),
    }[in_what]
    shop.pay(customer, first)
    shop.settle_chain()
    between(shop)
    shop.pay(customer, second)
    shop.settle_chain()
    look(shop)
    shop.wait(days=1, hours=1)
    look(shop)
    look(shop)
    assert labels(shop, customer) == {("overpaid", second, customer.prices[second])}
    assert shop.state(customer) == "sent_funds"
    assert (shop.received(second) - (SOL if second is None else 0)) // customer.prices[second] == (
        2 if first is second else 1
    )


def test_a_third_payment_makes_it_more_and_not_another_finding(street: Street) -> None:
    shop, customer = street.shop, street.shop.new_payment()
    for _ in range(3):
        shop.pay_sol(customer)
        shop.settle_chain()
        look(shop)
        shop.wait(days=1, hours=1)
        look(shop)
    assert labels(shop, customer) == {("overpaid", None, 2 * SOL_PRICE)}


@pytest.mark.parametrize("between", LOOKS.values(), ids=LOOKS)
def test_the_rest_that_comes_late_makes_all_of_it_late(
    street: Street, between: Callable[[Shop], None]
) -> None:
    shop, customer = street.shop, street.shop.new_payment()
    shop.pay_sol(customer, "0.04")
    shop.settle_chain()
    between(shop)
    shop.wait(hours=1)
    if between is look:
        look(shop)
        assert labels(shop, customer) == {("short", None, 4 * SOL // 100)}
    shop.pay_sol(customer, "0.06")
    shop.wait(days=1)
    look(shop)
    assert labels(shop, customer) == {("late", None, SOL_PRICE)}


@pytest.mark.parametrize("between", LOOKS.values(), ids=LOOKS)
def test_wrapped_sol_beside_sol_is_too_much_of_itself(
    street: Street, between: Callable[[Shop], None]
) -> None:
    shop = street.shop
    wrapped = accept_wrapped_sol(shop)
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    between(shop)
    if not shop.has_account(customer, wrapped):
        shop.open_accounts(customer.address, [wrapped])
    shop.seed.airdrop(shop.ata(customer.address, wrapped), SOL_PRICE)
    shop.settle_chain()
    look(shop)
    shop.wait(days=1, hours=1)
    look(shop)
    look(shop)
    assert labels(shop, customer) == {("overpaid", wrapped, SOL_PRICE)}


def test_a_price_that_the_shop_lowers_afterwards_makes_nothing_too_much(street: Street) -> None:
    """What was asked before is known."""
    shop, customer = street.shop, street.shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    look_without_moving(shop)
    edit_price(shop, customer, Decimal("0.05"))
    shop.run("sweep")
    assert (shop.codes(customer), shop.state(customer)) == ({"offer_changed"}, "sent_funds")


def test_too_much_of_what_the_peer_accepted_is_told_too(street: Street) -> None:
    shop, customer = street.shop, street.shop.new_payment()
    shop.run("recheck")
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.accept_payment(customer)
    look(shop)
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.wait(days=1, hours=1)
    look(shop)
    look(shop)
    assert labels(shop, customer) == {("overpaid", None, SOL_PRICE)}
