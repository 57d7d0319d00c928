"""Rows S6, S9, S10, S11, S18, S19 and S20: what was paid, in full and in time, whoever looks and however late."""

from collections.abc import Callable

import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.money import by_peer
from solpay_pipeline_tests.money.books import (
    assert_books_balance,
    assert_closed,
    assert_no_false_record,
    assert_nothing_more_happens,
    assert_swept,
    gain,
    moved,
    on_chain,
    open_accounts,
    run_all,
)
from solpay_pipeline_tests.money.conftest import Street
from solpay_pipeline_tests.shop import SOL, Customer, Shop

UNITS = 10**6
PRICE = 5 * UNITS
SOL_PRICE = SOL // 10
HALF_AN_HOUR_OVER = {"minutes": 31}

MAINTENANCE = ("expire", "sweep", "reclaim")


def told(shop: Shop, customer: Customer, code: str) -> dict[object, int]:
    """The amounts of a finding that stands, by mint."""
    return {
        one.finding.mint: one.finding.amount for one in shop.findings(customer) if one.finding.code == code
    }


def test_s06_a_transfer_fee_mint_is_short_by_its_fee_or_paid_and_its_withheld_fees_are_harvested(
    street: Street,
) -> None:
    shop = street.shop
    fee_mint = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    five, six = shop.new_payment(), shop.new_payment()
    shop.pay_token(five, fee_mint, "5")
    shop.pay_token(six, fee_mint, "6")
    shop.settle_chain()

    outcome = shop.run("recheck")

    assert outcome.accepted == 1
    assert_swept(shop, six)
    # The second transfer, home, takes its percent too: 5.94 less 0.0594.
    assert gain(shop, fee_mint) == 5_880_600
    assert moved(shop, six) == {str(fee_mint): 5_940_000}
    assert told(shop, six, "overpaid") == {fee_mint: 940_000}
    assert outcome.withheld == {str(fee_mint): 60_000}
    assert (shop.status(five), shop.state(five)) == ("initiated", WalletState.CREATED)

    shop.wait(**HALF_AN_HOUR_OVER)
    run_all(shop)
    assert (shop.status(five), shop.state(five)) == ("expired", WalletState.RECEIVED_FUNDS)
    assert told(shop, five, "short") == {fee_mint: 4_950_000}
    assert gain(shop, fee_mint) == 5_880_600
    assert_no_false_record(shop, [five, six])
    assert_nothing_more_happens(shop)

    outcome = shop.run("sweep", sweep_held_funds=True)
    assert (shop.status(five), shop.state(five)) == ("expired", WalletState.SENT_FUNDS)
    assert (on_chain(shop, five), open_accounts(shop, five)) == ({}, 0)
    assert (outcome.swept, outcome.withheld) == (1, {str(fee_mint): 50_000})
    assert gain(shop, fee_mint) == 5_880_600 + 4_900_500
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s06_what_was_short_by_the_transfer_fee_and_topped_up_in_time_is_accepted(street: Street) -> None:
    shop = street.shop
    fee_mint = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    customer = shop.new_payment()
    shop.pay_token(customer, fee_mint, "5")
    shop.settle_chain()
    assert shop.run("recheck").accepted == 0
    signature = shop.pay_token(customer, fee_mint, "0.051")
    shop.settle_chain()
    assert shop.run("recheck").accepted == 1
    assert shop.payment_row(customer).signature == signature
    assert_swept(shop, customer)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("first", ["recheck", "expire"])
def test_s09_a_payment_made_in_time_is_accepted_however_late_anyone_looks(street: Street, first: str) -> None:
    shop = street.shop
    in_sol, in_usdc, never = (shop.new_payment() for _ in range(3))
    by_sol, by_usdc = shop.pay_sol(in_sol), shop.pay_token(in_usdc, street.usdc)
    shop.wait(days=40)

    for _ in range(2):
        run_all(shop, (first, *MAINTENANCE))

    for customer, signature in ((in_sol, by_sol), (in_usdc, by_usdc)):
        assert_swept(shop, customer)
        assert shop.payment_row(customer).signature == signature
        assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
        assert shop.codes(customer) == set()
    assert shop.payment_row(in_sol).paid_token_id == shop.tokens[None].row_id
    assert_closed(shop, never)
    assert (gain(shop), gain(shop, street.usdc)) == (SOL_PRICE, PRICE)
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("state", [WalletState.PAYMENT_EXPIRED, WalletState.CLOSED], ids=str)
@pytest.mark.parametrize("order", [MAINTENANCE, ("reclaim", "expire", "sweep")], ids="-".join)
def test_s09_what_the_peer_expired_over_a_payment_in_time_is_accepted_by_plain_maintenance(
    street: Street, state: WalletState, order: tuple[str, ...]
) -> None:
    shop = street.shop
    in_sol, in_usdc = shop.new_payment(), shop.new_payment()
    shop.pay_sol(in_sol)
    shop.pay_token(in_usdc, street.usdc)
    shop.wait(**HALF_AN_HOUR_OVER)
    for customer in (in_sol, in_usdc):
        shop.set_status(customer, PaymentStatus.EXPIRED)
        shop.set_state(customer, state)

    for _ in range(2):
        run_all(shop, order)

    for customer in (in_sol, in_usdc):
        assert_swept(shop, customer)
        assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    accepted = shop.events(in_sol)[0]
    assert accepted.body["previous_status"] == "expired"
    assert (gain(shop), gain(shop, street.usdc)) == (SOL_PRICE, PRICE)
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize(
    "state", [WalletState.CREATED, WalletState.PAYMENT_EXPIRED, WalletState.CLOSED], ids=str
)
def test_s09_a_recheck_of_named_payments_accepts_what_the_peer_expired_long_ago(
    street: Street, state: WalletState
) -> None:
    shop = street.shop
    customer, never = shop.new_payment(), shop.new_payment()
    shop.pay_token(customer, street.usdc)
    shop.wait(days=60)
    for one in (customer, never):
        shop.set_status(one, PaymentStatus.EXPIRED)
        shop.set_state(one, state)

    outcome = shop.run("recheck", payment_ids=frozenset({customer.payment_id, never.payment_id}))

    assert (outcome.looked_at, outcome.accepted, outcome.swept) == (2, 1, 1)
    assert_swept(shop, customer)
    assert (shop.status(never), shop.state(never)) == ("expired", state)
    assert gain(shop, street.usdc) == PRICE
    assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    assert_books_balance(shop)


def test_s10_a_limit_starves_no_payment(street: Street) -> None:
    shop = street.shop
    customers = [shop.new_payment() for _ in range(12)]
    shop.settle_chain()
    # Everyone has been looked at once, the oldest first of all: from here it waits for its turn.
    for _ in range(3):
        shop.run("recheck", limit=5)
    oldest = customers[0]
    shop.pay_sol(oldest)
    shop.settle_chain()

    looked_at = [shop.run("recheck", limit=5).looked_at for _ in range(3)]

    assert looked_at == [5, 5, 5]
    assert_swept(shop, oldest)
    assert gain(shop) == SOL_PRICE
    assert {shop.status(one) for one in customers[1:]} == {"initiated"}


def test_s10_the_oldest_payment_is_found_by_the_first_run_with_a_limit(street: Street) -> None:
    shop = street.shop
    customers = [shop.new_payment() for _ in range(12)]
    shop.pay_sol(customers[0])
    shop.settle_chain()
    outcome = shop.run("recheck", limit=5)
    assert (outcome.looked_at, outcome.accepted) == (5, 1)
    assert_swept(shop, customers[0])


def by_nobody(_: Shop, __: Customer) -> None:
    """The peer's commands never ran."""


def by_peers_recheck(shop: Shop, customer: Customer) -> None:
    shop.set_state(customer, WalletState.PROCESSING_PAYMENT)


@pytest.mark.parametrize("touched", [by_nobody, by_peers_recheck])
def test_s11a_half_the_price_is_held_and_not_swept(
    street: Street, touched: Callable[[Shop, Customer], None]
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer, "0.05")
    shop.settle_chain()
    touched(shop, customer)
    before = shop.state(customer)

    run_all(shop, ("recheck", "sweep", "reclaim"))
    assert (shop.status(customer), shop.state(customer)) == ("initiated", before)
    assert (gain(shop), on_chain(shop, customer)) == (0, {None: SOL_PRICE // 2})

    shop.wait(**HALF_AN_HOUR_OVER)
    for _ in range(2):
        run_all(shop)

    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.RECEIVED_FUNDS)
    assert told(shop, customer, "short") == {None: SOL_PRICE // 2}
    assert shop.kinds(customer) == ["payment.expired", "payment.held"]
    held = shop.events(customer)[-1]
    assert (held.body["label"], held.body["holds"]) == ("short", {"SOL": "50000000"})
    assert (gain(shop), on_chain(shop, customer)) == (0, {None: SOL_PRICE // 2})
    assert_nothing_more_happens(shop)

    shop.run("sweep", sweep_held_funds=True)
    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.SENT_FUNDS)
    assert (gain(shop), on_chain(shop, customer), shop.codes(customer)) == (SOL_PRICE // 2, {}, set())
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s11a_half_the_price_that_the_peer_swept_is_told_when_the_payment_expires(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer, "0.05")
    signature = by_peer.sends_all_sol(shop, customer)
    shop.set_state(customer, WalletState.SENT_FUNDS)
    shop.wait(**HALF_AN_HOUR_OVER)

    run_all(shop)

    assert shop.status(customer) == PaymentStatus.EXPIRED
    assert_no_false_record(shop, [customer])
    # The customer's money is with the merchant, who did nothing for it: a person must be able to see that.
    (finding,) = [one.finding for one in shop.findings(customer) if one.finding.code == "foreign_movement"]
    assert signature in finding.explanation
    assert_nothing_more_happens(shop)


def test_s11a_half_the_price_that_went_elsewhere_is_set_aside_for_a_person(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer, "0.05")
    stolen = by_peer.sends_sol(shop, customer, SOL_PRICE // 2, to=shop.seed.customer.pubkey())
    shop.wait(**HALF_AN_HOUR_OVER)

    outcome = shop.run("expire")

    assert shop.status(customer) == PaymentStatus.EXPIRED
    (finding,) = outcome.set_aside
    assert finding.code == "funds_elsewhere"
    assert stolen in finding.explanation
    run_all(shop)
    assert shop.codes(customer) == {"funds_elsewhere"}
    assert_nothing_more_happens(shop)


def test_s11b_half_in_each_of_two_tokens_pays_nothing_and_both_halves_are_held(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer, "0.05")
    shop.pay_token(customer, street.usdc, "2.5")
    shop.settle_chain()
    run_all(shop, ("recheck", "sweep"))
    assert (shop.status(customer), shop.state(customer)) == ("initiated", WalletState.CREATED)
    shop.wait(**HALF_AN_HOUR_OVER)

    run_all(shop)

    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.RECEIVED_FUNDS)
    assert told(shop, customer, "short") == {None: SOL_PRICE // 2, street.usdc: PRICE // 2}
    assert shop.kinds(customer) == ["payment.expired", "payment.held"]
    assert on_chain(shop, customer) == {None: SOL_PRICE // 2, street.usdc: PRICE // 2}
    assert (gain(shop), gain(shop, street.usdc)) == (0, 0)
    assert_nothing_more_happens(shop)

    shop.run("sweep", sweep_held_funds=True)
    assert (gain(shop), gain(shop, street.usdc)) == (SOL_PRICE // 2, PRICE // 2)
    assert (on_chain(shop, customer), open_accounts(shop, customer)) == ({}, 0)
    assert_nothing_more_happens(shop)


def test_s11c_paid_twice_in_two_tokens_is_accepted_once_and_both_go_home(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    first = shop.pay_sol(customer)
    shop.settle_chain()
    shop.pay_token(customer, street.usdc)
    shop.settle_chain()

    outcome = shop.run("recheck")

    assert (outcome.accepted, outcome.swept) == (1, 1)
    assert_swept(shop, customer)
    row = shop.payment_row(customer)
    assert (row.signature, row.paid_token_id) == (first, shop.tokens[None].row_id)
    assert (gain(shop), gain(shop, street.usdc)) == (SOL_PRICE, PRICE)
    assert told(shop, customer, "overpaid") == {street.usdc: PRICE}
    assert shop.events(customer)[0].body["surplus"] == {str(street.usdc): str(PRICE)}
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s11c_what_the_peer_left_behind_in_the_other_token_is_swept(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.pay_token(customer, street.usdc)
    by_peer.sends_all_sol(shop, customer)
    shop.settle_chain()
    shop.set_status(customer, PaymentStatus.CONFIRMED)
    shop.set_state(customer, WalletState.SENT_FUNDS)

    run_all(shop)

    assert_swept(shop, customer)
    assert (gain(shop), gain(shop, street.usdc)) == (SOL_PRICE, PRICE)
    assert moved(shop, customer) == {str(street.usdc): PRICE}
    assert_nothing_more_happens(shop)


def test_s11d_an_overpayment_and_a_payment_in_two_transfers_are_accepted_and_the_surplus_is_told(
    street: Street,
) -> None:
    shop = street.shop
    double, parts = shop.new_payment(), shop.new_payment()
    shop.pay_sol(double, "0.2")
    shop.pay_sol(parts, "0.06")
    shop.settle_chain()
    completing = shop.pay_sol(parts, "0.04")
    shop.settle_chain()

    outcome = shop.run("recheck")

    assert (outcome.accepted, outcome.swept) == (2, 2)
    for customer in (double, parts):
        assert_swept(shop, customer)
    assert told(shop, double, "overpaid") == {None: SOL_PRICE}
    assert shop.codes(parts) == set()
    assert shop.payment_row(parts).signature == completing
    assert gain(shop) == 3 * SOL_PRICE
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("touched", [by_nobody, by_peers_recheck])
def test_s18_two_halves_in_time_are_a_payment(
    street: Street, touched: Callable[[Shop, Customer], None]
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer, "0.05")
    shop.settle_chain()
    touched(shop, customer)
    run_all(shop, ("recheck", "sweep"))
    assert (shop.status(customer), gain(shop)) == ("initiated", 0)
    completing = shop.pay_sol(customer, "0.05")
    shop.settle_chain()

    run_all(shop, ("recheck", "sweep"))

    assert_swept(shop, customer)
    assert shop.payment_row(customer).signature == completing
    assert (gain(shop), moved(shop, customer)) == (SOL_PRICE, {None: SOL_PRICE})
    assert shop.codes(customer) == set()
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("late", [False, True], ids=["looked at in time", "looked at after expiration"])
@pytest.mark.parametrize("halves_swept", [1, 2])
def test_s18_two_halves_that_the_peer_swept_one_by_one_are_a_payment(
    street: Street, halves_swept: int, late: bool
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    for half in (1, 2):
        completing = shop.pay_sol(customer, "0.05")
        if half <= halves_swept:
            by_peer.sends_all_sol(shop, customer)
        shop.settle_chain()
    shop.set_state(customer, WalletState.SENT_FUNDS)
    if late:
        shop.wait(**HALF_AN_HOUR_OVER)

    run_all(shop, MAINTENANCE if late else ("recheck", "sweep"))

    assert (shop.status(customer), shop.state(customer)) == ("confirmed", WalletState.SENT_FUNDS)
    assert shop.payment_row(customer).signature == completing
    assert (gain(shop), on_chain(shop, customer)) == (SOL_PRICE, {})
    assert shop.kinds(customer)[0] == "payment.accepted"
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize(
    "order", [MAINTENANCE, ("recheck", *MAINTENANCE), ("reclaim", "sweep", "expire")], ids="-".join
)
def test_s19_a_payment_in_time_is_accepted_though_expire_runs_first(
    street: Street, order: tuple[str, ...]
) -> None:
    shop = street.shop
    initiated, expired_by_peer = shop.new_payment(), shop.new_payment()
    for customer in (initiated, expired_by_peer):
        shop.pay_token(customer, street.usdc)
    shop.wait(**HALF_AN_HOUR_OVER)
    # The peer's expire changes the payment and forgets the wallet.
    shop.set_status(expired_by_peer, PaymentStatus.EXPIRED)

    for _ in range(2):
        run_all(shop, order)

    for customer in (initiated, expired_by_peer):
        assert_swept(shop, customer)
        assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    assert gain(shop, street.usdc) == 2 * PRICE
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s19_late_money_behind_a_payment_that_the_peer_expired_is_held(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.pay_token(customer, street.usdc)
    shop.settle_chain()

    run_all(shop)

    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.RECEIVED_FUNDS)
    assert told(shop, customer, "late") == {street.usdc: PRICE}
    assert gain(shop, street.usdc) == 0
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("late", [False, True], ids=["looked at in time", "looked at after expiration"])
@pytest.mark.parametrize("state", [WalletState.PROCESSING_PAYMENT, WalletState.FAILED_TO_SEND_FUNDS], ids=str)
def test_s20_a_payment_that_the_peer_sent_on_and_rolled_back_is_credited(
    street: Street, state: WalletState, late: bool
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    signature = shop.pay_sol(customer)
    sent_on = by_peer.sends_all_sol(shop, customer)
    shop.settle_chain()
    shop.set_state(customer, state)
    if late:
        shop.wait(**HALF_AN_HOUR_OVER)

    run_all(shop)

    assert_swept(shop, customer)
    assert shop.payment_row(customer).signature == signature
    assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    (finding,) = [one.finding for one in shop.findings(customer)]
    assert finding.code == "foreign_movement"
    assert sent_on in finding.explanation
    assert gain(shop) == SOL_PRICE
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("named", [False, True], ids=["plain maintenance", "a recheck that names it"])
@pytest.mark.parametrize(
    "state",
    [WalletState.PROCESSING_PAYMENT, WalletState.PAYMENT_EXPIRED, WalletState.CLOSED],
    ids=str,
)
def test_s20_a_payment_that_the_peer_sent_on_and_then_expired_is_credited(
    street: Street, state: WalletState, named: bool
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    signature = shop.pay_sol(customer)
    by_peer.sends_all_sol(shop, customer)
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, state)

    if named:
        shop.run("recheck", payment_ids=frozenset({customer.payment_id}))
    run_all(shop)

    assert_swept(shop, customer)
    assert shop.payment_row(customer).signature == signature
    assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    assert gain(shop) == SOL_PRICE
    assert_nothing_more_happens(shop)
