"""What operations read comes out of the database as it stands, within their options."""

from datetime import datetime, timedelta

from solpay_pipeline.ledger.transactions import RunRef
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.operations.looking.database_records import DatabaseRecords
from solpay_pipeline_tests.operations.database import Shop
from solpay_pipeline_tests.operations.ground import EXPIRED, MADE, NOW

CREATED = Wanted({WalletState.CREATED})


def records(shop: Shop, *meant: Snapshot, **options: object) -> DatabaseRecords:
    ids = frozenset(one.payment.id for one in meant)
    return DatabaseRecords(shop.engine, shop.tables, Options(payment_ids=ids, **options))  # type: ignore[arg-type]


def ids(page: Page) -> list[int]:
    return [row.id for row in page if isinstance(row, Wallet)]


def test_pages_follow_the_options_of_the_operation(shop: Shop) -> None:
    first, second, third = (shop.new_payment() for _ in range(3))
    made = records(shop, first, third, page_size=1)
    assert ids(made.wallets(CREATED, after=0)) == [first.wallet.id]
    assert ids(made.wallets(CREATED, after=first.wallet.id)) == [third.wallet.id]
    assert ids(made.due(NOW, after=0)) == [first.wallet.id]
    assert ids(made.due(EXPIRED - timedelta(seconds=1), after=0)) == []
    assert ids(made.of_payments([second.payment.id])) == [second.wallet.id]


def test_wallets_are_asked_for_by_what_their_payments_are(shop: Shop) -> None:
    live, over = shop.new_payment(), shop.new_payment(status=PaymentStatus.EXPIRED)
    made = records(shop, live, over)
    wanted = Wanted({WalletState.CREATED}, {PaymentStatus.EXPIRED})
    assert ids(made.wallets(wanted, after=0)) == [over.wallet.id]


def test_wallets_at_rest_are_due_until_they_were_looked_at(shop: Shop) -> None:
    one, other = shop.new_payment(state=WalletState.CLOSED), shop.new_payment(state=WalletState.CLOSED)
    made, run, states = records(shop, one, other), RunRef("run", "expire"), {WalletState.CLOSED}
    mine = {one.payment.id, other.payment.id}

    def due(at: datetime) -> set[int]:
        found = DatabaseRecords(shop.engine, shop.tables, Options()).to_watch(states, at, run, limit=10_000)
        return mine & set(found)

    assert due(NOW) == mine
    shop.books.remember_watched([one], NOW, daily_for=timedelta(days=7))
    assert due(NOW) == {other.payment.id}
    assert due(NOW + timedelta(days=1)) == mine
    # Those that an operator names are looked at whenever he says.
    assert set(made.to_watch(states, NOW, run, limit=10)) == mine


def test_payments_on_which_a_run_has_reported_are_left_out_of_its_second_look(shop: Shop) -> None:
    one, other = shop.new_payment(), shop.new_payment()
    shop.books.expire([one])
    made = records(shop, one, other)
    states = {WalletState.CREATED, WalletState.PAYMENT_EXPIRED}
    seen = {
        name: made.to_watch(states, NOW, RunRef(name, "sweep"), limit=10) for name in ("run", "another run")
    }
    assert seen == {"run": [other.payment.id], "another run": [one.payment.id, other.payment.id]}
    assert made.expired_by_us([one.payment.id, other.payment.id]) == {one.payment.id}


def test_those_that_were_never_rechecked_come_first(shop: Shop) -> None:
    first, second = shop.new_payment(), shop.new_payment()
    shop.books.remember_looks([first.payment.id])
    made = records(shop, first, second, limit=2)
    assert made.to_recheck({PaymentStatus.INITIATED}) == [second.payment.id, first.payment.id]
    assert records(shop, first, second, limit=1).to_recheck({PaymentStatus.INITIATED}) == [second.payment.id]
    of_later = records(shop, first, second, created_from=MADE + timedelta(seconds=1))
    assert of_later.to_recheck({PaymentStatus.INITIATED}) == []


def test_acceptances_that_nobody_reported_are_found_until_they_are(shop: Shop) -> None:
    shop.books.begin_acceptances()
    one = shop.new_payment(status=PaymentStatus.CONFIRMED)
    made = records(shop, one)
    assert made.unreported_acceptances(after=0) == [one.payment.id]
    assert made.unreported_acceptances(after=one.payment.id) == []


def test_keys_are_found_by_wallet_and_those_that_are_gone_are_not(shop: Shop) -> None:
    one = shop.new_payment()
    found = records(shop, one).sealed_keypairs([one.wallet.id, 10**6])
    assert found.keys() == {one.wallet.id}
    assert shop.scene.deployment.vault.open(found[one.wallet.id], one.payment.address)
