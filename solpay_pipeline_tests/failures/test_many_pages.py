"""Many payments that nobody paid: a page is read while the one before it is worked on, and the shop goes on selling."""

from collections import Counter
from collections.abc import Sequence

import pytest

from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.ground import PRICE, Database
from solpay_pipeline_tests.shop import SOL, Customer, Shop

PAGE, CUSTOMERS = 100, 250
CLOSED = "payment_expired_and_wallet_closed"


def _unpaid(shop: Shop) -> list[Customer]:
    customers = [shop.new_payment() for _ in range(CUSTOMERS)]
    shop.wait(minutes=31)
    return customers


def _told(shop: Shop) -> Counter[str]:
    """How often each event was told, of whatever payment."""
    return Counter(event.kind for event in shop.events())


@pytest.mark.parametrize("check_history", [True, False])
def test_every_page_comes_to_its_end_and_each_end_is_told_once(
    database: Database, check_history: bool
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        customers = _unpaid(shop)
        outcome = shop.run("expire", page_size=PAGE, check_history=check_history)
        assert (outcome.looked_at, outcome.expired, outcome.closed) == (CUSTOMERS, CUSTOMERS, CUSTOMERS)
        assert {shop.state(customer) for customer in customers} == {CLOSED}
        assert _told(shop) == {"payment.expired": CUSTOMERS, "wallet.closed": CUSTOMERS}
        assert shop.kinds(customers[-1]) == ["payment.expired", "wallet.closed"]
        again = shop.run("expire", page_size=PAGE, check_history=check_history)
        assert (again.expired, again.closed) == (0, 0)


def test_what_the_shop_changes_meanwhile_is_kept_and_the_others_of_its_page_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        customers = _unpaid(shop)
        of_this_page, of_the_next = customers[PAGE // 2], customers[2 * PAGE - 1]
        expire = WrittenBooks.expire_and_close
        to_change = [of_this_page, of_the_next]

        def while_the_shop_works(books: WrittenBooks, snapshots: Sequence[Snapshot]) -> None:
            while to_change:
                shop.set_status(to_change.pop(), PaymentStatus.CONFIRMED)
            expire(books, snapshots)

        monkeypatch.setattr(WrittenBooks, "expire_and_close", while_the_shop_works)
        outcome = shop.run("expire", page_size=PAGE, check_history=False)
        assert (outcome.expired, outcome.closed) == (CUSTOMERS - 2, CUSTOMERS - 2)
        for customer in (of_this_page, of_the_next):
            assert (shop.status(customer), shop.state(customer)) == ("confirmed", "created")
            assert shop.kinds(customer) == []
        assert _told(shop) == {"payment.expired": CUSTOMERS - 2, "wallet.closed": CUSTOMERS - 2}


def test_money_and_open_accounts_are_no_reason_to_trust_a_balance_less(database: Database) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        open_accounts, bare, paid, late = (shop.new_payment(with_accounts=one != 1) for one in range(4))
        touched = shop.new_payment(state=WalletState.PROCESSING_PAYMENT)
        shop.pay_token(paid, mint)
        shop.wait(minutes=31)
        shop.pay_sol(late)
        shop.settle_chain()
        shop.run("expire", check_history=False)
        assert (shop.status(paid), shop.kinds(paid)) == ("confirmed", ["payment.accepted"])
        assert (shop.state(late), shop.kinds(late)) == ("received_funds", ["payment.expired", "payment.held"])
        for customer in (open_accounts, bare, touched):
            assert (shop.status(customer), shop.state(customer)) == ("expired", CLOSED)
            assert not shop.has_account(customer, mint)
            assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
        shop.maintain(sweep_held_funds=True)
        assert (shop.received(mint), shop.received()) == (PRICE, SOL + SOL // 10)
        assert_all_is_well(shop, [open_accounts, bare, paid, late, touched])


def test_a_dry_run_tells_of_both_ends_and_changes_nothing(database: Database) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        customer = shop.new_payment()
        shop.wait(minutes=31)
        outcome = shop.run("expire", check_history=False, dry_run=True)
        assert (outcome.expired, outcome.closed) == (1, 1)
        assert (shop.status(customer), shop.state(customer)) == ("initiated", "created")
        assert shop.events() == []
