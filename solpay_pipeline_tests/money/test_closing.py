"""Rows S1, S3, S4, S5 and S8: which wallets may be closed, and when they are."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
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

UNITS = 10**6
PRICE = 5 * UNITS
HALF_AN_HOUR_OVER = {"minutes": 31}


def test_s01_unpaid_expired_payments_expire_and_their_wallets_close(street: Street) -> None:
    shop = street.shop
    customers = [shop.new_payment() for _ in range(3)]
    live = shop.new_payment()
    shop.wait(minutes=10)
    later = shop.new_payment()
    shop.wait(minutes=21)
    assert shop.status(live) == PaymentStatus.INITIATED

    outcome = shop.run("expire")

    assert (outcome.expired, outcome.closed, outcome.set_aside) == (4, 4, ())
    for customer in [*customers, live]:
        assert_closed(shop, customer)
        assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
    assert (shop.status(later), shop.state(later), open_accounts(shop, later)) == (
        PaymentStatus.INITIATED,
        WalletState.CREATED,
        2,
    )
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s01_expire_without_closing_leaves_the_closing_to_reclaim(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.run("expire", close_wallets=False)
    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.PAYMENT_EXPIRED)
    assert open_accounts(shop, customer) == 2
    assert shop.run("reclaim").closed == 1
    assert_closed(shop, customer)
    assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
    assert_nothing_more_happens(shop)


def test_s01_no_commit_leaves_a_payment_expired_and_its_wallet_unmarked(street: Street) -> None:
    shop = street.shop
    for _ in range(2):
        shop.new_payment()
    shop.wait(**HALF_AN_HOUR_OVER)
    payments, wallets = shop.deployment.tables.payment, shop.deployment.tables.wallet
    unmarked = (
        sa.select(sa.func.count())
        .select_from(payments.join(wallets, payments.c.one_time_payment_wallet_id == wallets.c.id))
        .where(payments.c.status == "expired", wallets.c.state == "created")
    )
    seen: list[int] = []

    @sa.event.listens_for(shop.deployment.engine, "commit")
    def _look(connection: sa.Connection) -> None:
        seen.append(connection.execute(unmarked).scalar_one())

    assert shop.run("expire", close_wallets=False).expired == 2
    assert seen
    assert set(seen) == {0}


def test_s01_wallets_that_the_peer_left_created_behind_expired_payments_are_closed_too(
    street: Street,
) -> None:
    shop = street.shop
    old, fresh = shop.new_payment(), shop.new_payment(lasts=timedelta(days=30))
    shop.wait(days=29, hours=23)
    shop.set_status(old, PaymentStatus.EXPIRED)
    shop.wait(hours=2)
    shop.set_status(fresh, PaymentStatus.EXPIRED)

    run_all(shop)

    for customer in (old, fresh):
        assert_closed(shop, customer)
        # The payment's end was the peer's to tell.
        assert shop.kinds(customer) == ["wallet.closed"]
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s03_an_expired_wallet_that_holds_a_payment_made_in_time_is_accepted_and_swept(
    street: Street,
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    signature = shop.pay_token(customer, street.usdc)
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, WalletState.PAYMENT_EXPIRED)

    shop.run("reclaim")
    assert shop.status(customer) == PaymentStatus.CONFIRMED
    assert_no_false_record(shop, [customer])
    shop.run("sweep")

    assert_swept(shop, customer)
    row = shop.payment_row(customer)
    assert (row.signature, row.paid_token_id) == (signature, shop.tokens[street.usdc].row_id)
    assert gain(shop, street.usdc) == PRICE
    assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s03_money_that_came_late_to_an_expired_wallet_is_held_and_never_called_closed(
    street: Street,
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.pay_token(customer, street.usdc)
    shop.settle_chain()
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, WalletState.PAYMENT_EXPIRED)

    shop.run("reclaim")

    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.RECEIVED_FUNDS)
    (held,) = shop.findings(customer)
    assert (held.finding.code, held.finding.mint, held.finding.amount) == ("late", street.usdc, PRICE)
    assert shop.kinds(customer) == ["payment.held"]
    assert on_chain(shop, customer) == {street.usdc: PRICE}
    assert gain(shop, street.usdc) == 0
    assert_nothing_more_happens(shop)

    shop.run("sweep", sweep_held_funds=True)
    assert (shop.status(customer), shop.state(customer)) == ("expired", WalletState.SENT_FUNDS)
    assert (gain(shop, street.usdc), on_chain(shop, customer), shop.codes(customer)) == (PRICE, {}, set())
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s03_a_wallet_that_the_peer_called_closed_over_a_payment_is_found_and_swept(street: Street) -> None:
    shop = street.shop
    in_time, late = shop.new_payment(), shop.new_payment()
    shop.pay_token(in_time, street.usdc)
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.pay_token(late, street.usdc)
    shop.settle_chain()
    for customer in (in_time, late):
        shop.set_status(customer, PaymentStatus.EXPIRED)
        shop.set_state(customer, WalletState.CLOSED)

    run_all(shop)

    assert_swept(shop, in_time)
    assert (gain(shop, street.usdc), moved(shop, in_time)) == (PRICE, {str(street.usdc): PRICE})
    assert (shop.status(late), shop.state(late)) == ("expired", WalletState.RECEIVED_FUNDS)
    assert shop.codes(late) == {"late"}
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("server_error", {"sendTransaction"}),
        Fault("drop_before", {"sendTransaction"}),
        Fault("rate_limit", {"sendTransaction"}),
        Fault("node_behind", {"sendTransaction"}, slots=60),
    ],
    ids=lambda fault: fault.kind,
)
def test_s04_a_wallet_whose_close_could_not_be_sent_is_not_called_closed(
    street: Street, fault: Fault
) -> None:
    shop = street.shop
    customers = [shop.new_payment() for _ in range(3)]
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.run("expire", close_wallets=False)
    shop.node.faults.add(Fault(**{name: getattr(fault, name) for name in fault.__slots__}))

    outcome = shop.run("reclaim", patience_seconds=0.5)

    assert outcome.closed == 0
    assert outcome.in_flight == 3
    for customer in customers:
        assert (shop.state(customer), open_accounts(shop, customer)) == (WalletState.PAYMENT_EXPIRED, 2)
    shop.node.faults.clear()
    assert shop.run("reclaim").closed == 3
    for customer in customers:
        assert_closed(shop, customer)
        assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s04_accounts_that_the_peer_left_open_behind_closed_wallets_give_their_rent_back(
    street: Street,
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, WalletState.CLOSED)
    rent = sum(shop.seed.lamports(shop.ata(customer.address, mint)) for mint in (street.usdc, street.pyusd))

    outcomes = run_all(shop)

    assert_closed(shop, customer)
    assert sum(outcome.rent for outcome in outcomes) == rent
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s05_accounts_of_both_token_programs_close_and_their_rent_comes_back(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    rent = sum(shop.seed.lamports(shop.ata(customer.address, mint)) for mint in (street.usdc, street.pyusd))
    shop.wait(**HALF_AN_HOUR_OVER)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, WalletState.PAYMENT_EXPIRED)
    before = shop.seed.lamports(shop.deployment.fee_payer.pubkey)

    outcome = shop.run("reclaim")

    assert_closed(shop, customer)
    assert (outcome.rent, outcome.transactions, outcome.fees) == (rent, 1, 10_000)
    shop.settle_chain()
    assert shop.seed.lamports(shop.deployment.fee_payer.pubkey) == before + rent - 10_000
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s08_recheck_and_sweep_leave_unpaid_live_payments_alone(street: Street) -> None:
    shop = street.shop
    untouched, processing, funds = (shop.new_payment() for _ in range(3))
    # The peer's recheck calls every wallet that it looks at `processing_payment`.
    shop.set_state(processing, WalletState.PROCESSING_PAYMENT)
    shop.set_state(funds, WalletState.FAILED_TO_SEND_FUNDS)
    shop.settle_chain()
    customers = [untouched, processing, funds]

    for _ in range(2):
        run_all(shop, ("recheck", "sweep", "reclaim", "expire"))
        for customer in customers:
            assert (shop.status(customer), shop.state(customer)) == ("initiated", WalletState.CREATED)
            assert open_accounts(shop, customer) == 2
    assert (shop.transactions(), shop.events(), shop.findings()) == ([], [], [])

    for customer in customers:
        shop.pay_token(customer, street.usdc)
    shop.settle_chain()
    assert shop.run("recheck").accepted == 3
    for customer in customers:
        assert_swept(shop, customer)
    assert gain(shop, street.usdc) == 3 * PRICE
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s08_a_payment_made_after_the_peer_closed_the_live_wallet_is_accepted(street: Street) -> None:
    shop = street.shop
    marked, closed = shop.new_payment(), shop.new_payment()
    shop.set_state(marked, WalletState.PAYMENT_EXPIRED)
    for mint in (street.usdc, street.pyusd):
        # The peer closes the classic one only; all the more is gone after a newer one of it.
        by_peer.closes(shop, closed, mint)
    shop.set_state(closed, WalletState.CLOSED)
    shop.settle_chain()

    run_all(shop)

    assert (shop.status(marked), shop.state(marked)) == ("initiated", WalletState.CREATED)
    assert open_accounts(shop, marked) == 2
    assert shop.status(closed) == PaymentStatus.INITIATED
    shop.pay_token(marked, street.usdc)
    shop.pay_token(closed, street.pyusd)
    shop.settle_chain()
    run_all(shop)
    for customer in (marked, closed):
        assert_swept(shop, customer)
    assert (gain(shop, street.usdc), gain(shop, street.pyusd)) == (PRICE, PRICE)
    assert_nothing_more_happens(shop)
