"""A change is written only while all that its decision rests on is as it was read: on SQLite and on PostgreSQL.

No chain is needed here but what it says: the shop changes its rows between the look and the write.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.database_trouble import DatabaseAway
from solpay_pipeline.ledger.tables import Purpose, transaction
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline.lifecycle.actions import Leg, MoveLamports
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline.operations.context.journal import Recorded
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.expire import expire
from solpay_pipeline.operations.looking.database_records import DatabaseRecords
from solpay_pipeline.records.tables import PRICE_COLUMN, PeerTables
from solpay_pipeline_tests.operations.database import Shop
from solpay_pipeline_tests.operations.ground import EXPIRED, SOL

TWO_HOURS = timedelta(hours=2)


@pytest.fixture
def on_postgresql(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite locks the whole database")


Change = Callable[[Connection, PeerTables, Snapshot], None]


def _set(table: str, **values: Any) -> Change:
    """A change of the payment's or the wallet's row."""

    def change(connection: Connection, tables: PeerTables, one: Snapshot) -> None:
        changed: sa.Table = getattr(tables, table)
        number = one.payment.id if table == "payment" else one.wallet.id
        connection.execute(sa.update(changed).where(changed.c.id == number).values(**values))

    return change


def _other_wallet(connection: Connection, tables: PeerTables, one: Snapshot) -> None:
    columns = [column for column in tables.wallet.c if column.name != "id"]
    copied = sa.select(*columns).where(tables.wallet.c.id == one.wallet.id)
    names = [column.name for column in columns]
    made = connection.scalar(
        sa.insert(tables.wallet).from_select(names, copied).returning(tables.wallet.c.id)
    )
    _set("payment", one_time_payment_wallet_id=made)(connection, tables, one)


def _prices(connection: Connection, tables: PeerTables, one: Snapshot) -> list[int]:
    link = tables.payment_price
    query = sa.select(link.c[PRICE_COLUMN]).where(link.c[tables.payment_column] == one.payment.id)
    return sorted(connection.scalars(query))


def _cheaper(connection: Connection, tables: PeerTables, one: Snapshot) -> None:
    table = tables.price
    first = _prices(connection, tables, one)[0]
    connection.execute(sa.update(table).where(table.c.id == first).values(amount_in_crypto=Decimal("0.01")))


def _without_a_price(connection: Connection, tables: PeerTables, one: Snapshot) -> None:
    link = tables.payment_price
    last = _prices(connection, tables, one)[-1]
    connection.execute(sa.delete(link).where(link.c[PRICE_COLUMN] == last))


def _other_token(connection: Connection, tables: PeerTables, one: Snapshot) -> None:
    prices = _prices(connection, tables, one)
    token = tables.price.c.token_id
    sol = connection.scalar(sa.select(token).where(tables.price.c.id == prices[0]))
    connection.execute(sa.update(tables.price).where(tables.price.c.id == prices[-1]).values(token_id=sol))


def _other_mint(connection: Connection, tables: PeerTables, one: Snapshot) -> None:
    token, mint = tables.token, one.payment.mints[0]
    other = str(Pubkey.new_unique())
    connection.execute(sa.update(token).where(token.c.mint_address == str(mint)).values(mint_address=other))


PREMISES: dict[str, Change] = {
    "status": _set("payment", status=PaymentStatus.PROCESSED.value),
    "time limit": _set("payment", expiration_date=EXPIRED + TWO_HOURS),
    "address": _set("payment", payment_address=str(Pubkey.new_unique())),
    "wallet": _other_wallet,
    "wallet state": _set("wallet", state=WalletState.PROCESSING_FUNDS.value),
    "amount of a price": _cheaper,
    "prices": _without_a_price,
    "token of a price": _other_token,
    "mint of a token": _other_mint,
}


def _paid(one: Snapshot) -> Judgement:
    return Judgement(Standing.PAID, one.payment.options[0], "the transfer", EXPIRED)


CHANGES: dict[str, Callable[[WrittenBooks, list[Snapshot]], object]] = {
    "accept": lambda books, all_: books.accept([(one, _paid(one)) for one in all_]),
    "expire": lambda books, all_: books.expire(all_),
    "expire and close": lambda books, all_: books.expire_and_close(all_),
    "hold": lambda books, all_: [books.hold(one, FindingCode.SHORT) for one in all_],
    "swept": lambda books, all_: books.rest_swept(all_),
    "closed": lambda books, all_: books.rest_closed(all_),
    "state": lambda books, all_: books.change_state(
        [one.wallet for one in all_], WalletState.PROCESSING_PAYMENT
    ),
}


@pytest.mark.parametrize("premise", PREMISES)
def test_nothing_is_written_for_a_row_of_which_a_premise_has_moved(shop: Shop, premise: str) -> None:
    moved = [shop.new_payment() for _ in CHANGES]
    with shop.engine.begin() as connection:
        # A token is every payment's.
        for one in moved[:1] if premise == "mint of a token" else moved:
            PREMISES[premise](connection, shop.tables, one)
    before = [(shop.payment(one), shop.state(one)) for one in moved]
    for (name, change), one in zip(CHANGES.items(), moved, strict=True):
        change(shop.books, [one])
        assert not shop.kinds(one), name
    assert [(shop.payment(one), shop.state(one)) for one in moved] == before
    assert shop.scene.tally.skipped == len(CHANGES)


@pytest.mark.parametrize("change", CHANGES)
def test_where_nothing_has_moved_the_change_is_written(shop: Shop, change: str) -> None:
    one = shop.new_payment()
    before = (shop.payment(one).status, shop.state(one))
    CHANGES[change](shop.books, [one])
    assert (shop.payment(one).status, shop.state(one)) != before
    assert shop.scene.tally.skipped == 0


def test_the_others_of_a_batch_go_on(shop: Shop) -> None:
    all_of_them = [shop.new_payment() for _ in range(4)]
    given_time = all_of_them[1]
    with shop.engine.begin() as connection:
        PREMISES["time limit"](connection, shop.tables, given_time)
    assert [one.id for one in shop.books.expire(all_of_them)] == [
        one.wallet.id for one in all_of_them if one is not given_time
    ]
    assert shop.payment(given_time).status == "initiated"


def _transaction(*all_of_them: Snapshot) -> NewTransaction:
    legs = tuple(
        Leg(one.wallet.id, one.payment.address, ((MoveLamports(SOL, Pubkey.default()),),))
        for one in all_of_them
    )
    signature = "-".join(str(one.wallet.id) for one in all_of_them)
    return NewTransaction(signature, b"bytes", 1_000, 900, Purpose.SWEEP, 2, 10_000, legs)


@pytest.mark.parametrize("premise", PREMISES)
def test_no_transaction_is_recorded_whose_plan_rests_on_what_has_moved(shop: Shop, premise: str) -> None:
    moved, fine = shop.new_payment(), shop.new_payment()
    with shop.engine.begin() as connection:
        PREMISES[premise](connection, shop.tables, moved)
    state = shop.state(moved)
    wallets = [moved.wallet, fine.wallet]
    made = shop.journal.record([_transaction(moved, fine)], wallets, WalletState.PROCESSING_FUNDS)
    assert made.result is Recorded.BUSY
    assert shop.state(moved) == state
    with reading(shop.engine) as connection:
        query = sa.select(transaction).where(transaction.c.signature == _transaction(moved, fine).signature)
        assert not connection.execute(query).all()


def test_a_transaction_whose_plan_stands_is_recorded_and_its_wallets_are_in_flight(shop: Shop) -> None:
    one = shop.new_payment()
    made = shop.journal.record([_transaction(one)], [one.wallet], WalletState.PROCESSING_FUNDS)
    assert made.result is Recorded.RECORDED
    assert shop.state(one) == "processing_funds"


def test_a_payment_that_is_given_two_more_hours_while_the_chain_is_asked_stays_open(shop: Shop) -> None:
    one, other = shop.new_payment(), shop.new_payment()
    only_these = Options(watch_days=0, payment_ids=frozenset({one.payment.id, other.payment.id}))
    records = DatabaseRecords(shop.engine, shop.tables, only_these)
    shop.scene.context = replace(shop.scene.context, records=records)
    ask = shop.scene.chain.holdings_and_mints
    to_change = [one]

    async def asked_while_the_shop_works(*args: Any, **named: Any) -> Any:
        answer = await ask(*args, **named)
        while to_change:
            with shop.engine.begin() as connection:
                PREMISES["time limit"](connection, shop.tables, to_change.pop())
        return answer

    shop.scene.chain.holdings_and_mints = asked_while_the_shop_works  # type: ignore[method-assign]
    asyncio.run(expire(shop.scene.context))
    assert (shop.payment(one).status, shop.state(one), shop.kinds(one)) == ("initiated", "created", [])
    assert (shop.payment(other).status, shop.state(other)) == ("expired", "payment_expired_and_wallet_closed")
    assert [job.wallet.id for job in shop.scene.mover.moved] == [other.wallet.id], "its account stays open"


@pytest.mark.usefixtures("on_postgresql")
@pytest.mark.parametrize("held", ["payment", "wallet", "price"])
def test_a_row_that_the_shop_holds_is_passed_over_and_nobody_waits(shop: Shop, held: str) -> None:
    locked, free = shop.new_payment(), shop.new_payment()
    table: sa.Table = getattr(shop.tables, held)
    numbers = {"payment": locked.payment.id, "wallet": locked.wallet.id}
    with shop.engine.begin() as connection:
        numbers["price"] = _prices(connection, shop.tables, locked)[0]
        connection.execute(sa.select(table.c.id).where(table.c.id == numbers[held]).with_for_update()).one()
        started = datetime.now().astimezone()
        assert [one.id for one in shop.books.expire([locked, free])] == [free.wallet.id]
        assert datetime.now().astimezone() - started < timedelta(seconds=5)
    assert shop.scene.tally.skipped == 1
    assert shop.scene.tally.locked == {locked.payment.id}
    assert shop.payment(locked).status == "initiated"


@pytest.mark.usefixtures("on_postgresql")
def test_what_was_read_again_cannot_change_before_it_is_written(shop: Shop, monkeypatch: Any) -> None:
    one = shop.new_payment()
    later = shop.new_payment()
    expire_payments = WrittenBooks._expire_payments
    refused: list[str] = []

    def while_others_try(books: WrittenBooks, connection: Connection, batch: Any) -> Any:
        for premise in ("time limit", "wallet state", "amount of a price", "prices", "mint of a token"):
            with shop.engine.connect() as theirs:
                theirs.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
                with pytest.raises(DatabaseAway, match="another process holds the lock"):
                    PREMISES[premise](theirs, shop.tables, one)
            refused.append(premise)
        return expire_payments(books, connection, batch)

    monkeypatch.setattr(WrittenBooks, "_expire_payments", while_others_try)
    assert len(shop.books.expire([one])) == 1
    assert len(refused) == 5
    assert shop.payment(later).status == "initiated"


def test_a_page_costs_a_few_statements_and_not_some_for_each_row(shop: Shop) -> None:
    all_of_them = [shop.new_payment() for _ in range(30)]
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(shop.engine, "before_cursor_execute", note)
    shop.books.expire(all_of_them[:2])
    few = len(statements)
    statements.clear()
    shop.books.expire(all_of_them[2:])
    sa.event.remove(shop.engine, "before_cursor_execute", note)
    assert len(statements) == few <= 10
