"""Reading wallets and payments by pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from solders.keypair import Keypair
from sqlalchemy import Connection, event, update

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import (
    Payment,
    PaymentOption,
    PaymentStatus,
    Wallet,
    WalletState,
)
from solpay_pipeline.records.queries import (
    count_by_state,
    count_by_status,
    due_page,
    payment_ids_with_status,
    sealed_keypairs,
    sealed_page,
    token_mints,
    unknown_values,
    wallet_addresses_exist,
    wallets_of_payments,
    wallets_page,
)
from solpay_pipeline.records.rows import UnreadableRow
from solpay_pipeline.testing.writing import add_token
from solpay_pipeline_tests.rooms.records.conftest import MINT, NOW, Shop

ANY_STATE = tuple(WalletState)


def everything(shop: Shop) -> list[Wallet | UnreadableRow]:
    with reading(shop.engine) as connection:
        return wallets_page(connection, shop.tables, states=ANY_STATE, after_wallet_id=0, limit=1000)


def wallet_ids(page: list[Wallet | UnreadableRow]) -> list[int | None]:
    return [each.id if isinstance(each, Wallet) else each.wallet_id for each in page]


@contextmanager
def statements(connection: Connection) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    yield seen
    event.remove(connection, "before_cursor_execute", note)


def test_a_wallet_comes_with_its_payment_and_all_options(shop: Shop) -> None:
    keypair = Keypair()
    payment_id = shop.add(keypair=keypair)
    [wallet] = everything(shop)
    assert isinstance(wallet, Wallet)
    assert wallet == Wallet(
        id=wallet.id,
        state=WalletState.CREATED,
        payment=Payment(
            id=payment_id,
            address=keypair.pubkey(),
            status=PaymentStatus.INITIATED,
            created_at=NOW - timedelta(minutes=5),
            expires_at=NOW + timedelta(minutes=30),
            options=(
                PaymentOption(shop.sol, None, Decimal("0.1")),
                PaymentOption(shop.usdc, wallet.payment.mints[0], Decimal(5)),  # type: ignore[union-attr]
            ),
        ),
    )
    assert [str(mint) for mint in wallet.payment.mints] == [MINT]  # type: ignore[union-attr]
    assert wallet.payment.created_at.tzinfo is not None  # type: ignore[union-attr]


def test_pages_by_wallet_id_meet_every_wallet_once(shop: Shop) -> None:
    for state in (*WalletState, *WalletState):
        shop.add(state=state)
    wanted = (WalletState.CREATED, WalletState.SENT_FUNDS, WalletState.PAYMENT_EXPIRED)
    seen: list[int | None] = []
    with reading(shop.engine) as connection:
        while page := wallets_page(
            connection, shop.tables, states=wanted, after_wallet_id=int(seen[-1] or 0) if seen else 0, limit=2
        ):
            assert len(page) <= 2
            seen += wallet_ids(page)
    assert len(seen) == 6
    assert seen == sorted(set(seen), key=lambda each: each or 0)


def test_a_page_costs_two_queries_whatever_its_size(shop: Shop) -> None:
    for _ in range(20):
        shop.add()
    with reading(shop.engine) as connection, statements(connection) as seen:
        page = wallets_page(connection, shop.tables, states=ANY_STATE, after_wallet_id=0, limit=20)
    assert len(page) == 20
    assert len(seen) == 2


def test_a_wallet_whose_payment_is_gone_is_still_found(shop: Shop) -> None:
    payment_id = shop.add()
    with shop.engine.begin() as connection:
        link, payment = shop.tables.payment_price, shop.tables.payment
        connection.execute(link.delete())
        connection.execute(payment.delete().where(payment.c.id == payment_id))
    [wallet] = everything(shop)
    assert isinstance(wallet, Wallet)
    assert wallet.payment is None


def test_wallets_are_filtered_by_their_payments(shop: Shop) -> None:
    late = shop.add(status=PaymentStatus.EXPIRED, expires=NOW - timedelta(days=1))
    old = shop.add(status=PaymentStatus.EXPIRED, expires=NOW - timedelta(days=30))
    live = shop.add()
    with reading(shop.engine) as connection:

        def found(**conditions: object) -> list[int | None]:
            page = wallets_page(
                connection,
                shop.tables,
                states=ANY_STATE,
                after_wallet_id=0,
                limit=10,
                **conditions,  # type: ignore[arg-type]
            )
            return [each.payment.id for each in page if isinstance(each, Wallet) and each.payment]

        assert found() == [late, old, live]
        assert found(payment_ids=[live, old, 999]) == [old, live]
        assert found(payment_ids=[]) == []
        assert found(payment_statuses={PaymentStatus.EXPIRED}) == [late, old]


def test_due_payments_are_the_initiated_ones_whose_time_is_over(shop: Shop) -> None:
    long_past = shop.add(expires=NOW - timedelta(days=2))
    # A block of this very moment may still bring the money in time.
    shop.add(expires=NOW)
    shop.add(expires=NOW + timedelta(microseconds=1))
    shop.add(expires=NOW - timedelta(days=1), status=PaymentStatus.CONFIRMED)
    past = shop.add(expires=NOW - timedelta(microseconds=1))
    with reading(shop.engine) as connection:
        first = due_page(connection, shop.tables, now=NOW, after_payment_id=0, limit=1)
        second = due_page(connection, shop.tables, now=NOW, after_payment_id=long_past, limit=5)
        chosen = due_page(connection, shop.tables, now=NOW, after_payment_id=0, limit=5, payment_ids=[past])
    payments = [each.payment.id for each in (*first, *second) if isinstance(each, Wallet) and each.payment]
    assert payments == [long_past, past]
    assert wallet_ids(chosen) == wallet_ids(second)


def test_payments_come_in_the_order_asked_for_and_missing_ones_are_told(shop: Shop) -> None:
    one, two, three = shop.add(), shop.add(), shop.add()
    with reading(shop.engine) as connection:
        page = wallets_of_payments(connection, shop.tables, [three, 999, one, two, three])
    assert page[1] == UnreadableRow(None, 999, "payment 999 does not exist")
    found = [each.payment.id if isinstance(each, Wallet) and each.payment else None for each in page]
    assert found == [three, None, one, two]


def test_payments_are_chosen_by_status_and_by_the_day_they_were_made(shop: Shop) -> None:
    day = NOW.replace(hour=0)
    midnight = shop.add(created=day)
    evening = shop.add(created=day + timedelta(hours=23, minutes=59))
    shop.add(created=day + timedelta(days=1))
    paid = shop.add(created=day, status=PaymentStatus.CONFIRMED)
    initiated = {PaymentStatus.INITIATED}
    with reading(shop.engine) as connection:

        def chosen(**conditions: object) -> set[int]:
            query = payment_ids_with_status(connection, shop.tables, **{"statuses": initiated, **conditions})  # type: ignore[arg-type]
            return set(connection.scalars(query))

        assert chosen(created_from=day, created_until=day + timedelta(days=1)) == {midnight, evening}
        assert chosen(payment_ids=[evening]) == {evening}
        assert len(chosen()) == 3
        assert chosen(statuses={PaymentStatus.CONFIRMED, PaymentStatus.EXPIRED}) == {paid}


def test_thousands_of_ids_travel_in_one_query(shop: Shop) -> None:
    mine = shop.add()
    many = [*range(mine, mine + 70_000)]
    with reading(shop.engine) as connection, statements(connection) as seen:
        page = wallets_page(
            connection, shop.tables, states=ANY_STATE, after_wallet_id=0, limit=10, payment_ids=many
        )
        assert len(page) == 1
        assert len(sealed_keypairs(connection, shop.tables, many)) == 1
    assert len(seen) == 3


def test_our_own_addresses_are_recognised(shop: Shop) -> None:
    keypair, stranger = Keypair(), Keypair()
    shop.add(keypair=keypair)
    with reading(shop.engine) as connection:
        known = wallet_addresses_exist(connection, shop.tables, [keypair.pubkey(), str(stranger.pubkey())])
        assert wallet_addresses_exist(connection, shop.tables, []) == set()
    assert known == {str(keypair.pubkey())}


def test_sealed_keypairs_open_with_the_vault(shop: Shop) -> None:
    keypair = Keypair()
    shop.add(keypair=keypair)
    [wallet] = everything(shop)
    assert isinstance(wallet, Wallet)
    with reading(shop.engine) as connection:
        sealed = sealed_keypairs(connection, shop.tables, [wallet.id, 999])
        [(same, address)] = sealed_page(connection, shop.tables, after_wallet_id=0, limit=10)
    assert shop.vault.open(sealed[wallet.id], keypair.pubkey()) == keypair
    assert same == sealed[wallet.id]
    assert address == str(keypair.pubkey())


def test_counts_know_every_state_and_name_unknown_ones(shop: Shop) -> None:
    shop.add()
    shop.add(state=WalletState.SENT_FUNDS, status=PaymentStatus.CONFIRMED)
    strange = shop.add()
    with shop.engine.begin() as connection:
        payment, wallet = shop.tables.payment, shop.tables.wallet
        connection.execute(update(payment).where(payment.c.id == strange).values(status="refunded"))
        connection.execute(update(wallet).where(wallet.c.state == "sent_funds").values(state="lost"))
    with reading(shop.engine) as connection:
        states, statuses = count_by_state(connection, shop.tables), count_by_status(connection, shop.tables)
        unknown = unknown_values(connection, shop.tables)
    assert states == dict.fromkeys(WalletState, 0) | {WalletState.CREATED: 2}
    assert statuses == dict.fromkeys(PaymentStatus, 0) | {
        PaymentStatus.INITIATED: 1,
        PaymentStatus.CONFIRMED: 1,
    }
    assert unknown == {"wallet state 'lost'": 1, "payment status 'refunded'": 1}


@pytest.mark.parametrize(
    ("table", "values", "reason"),
    [
        ("payment", {"payment_address": "0OIl"}, "an invalid address"),
        ("payment", {"payment_address": ""}, "an invalid address"),
        ("payment", {"status": "refunded"}, "unknown payment status 'refunded'"),
        ("price", {"amount_in_crypto": Decimal(0)}, "not an amount above zero"),
        ("price", {"amount_in_crypto": Decimal(-1)}, "not an amount above zero"),
        ("token", {"token_type": "SPL", "mint_address": "nonsense"}, "an invalid address"),
    ],
)
def test_a_row_that_cannot_be_understood_stands_in_its_place_with_the_reason(
    shop: Shop, table: str, values: dict[str, object], reason: str
) -> None:
    shop.add()
    with shop.engine.begin() as connection:
        broken = getattr(shop.tables, table)
        query = update(broken).values(**values)
        connection.execute(query.where(broken.c.id == shop.usdc) if table == "token" else query)
    [row] = everything(shop)
    assert isinstance(row, UnreadableRow)
    assert row.wallet_id is not None
    assert row.payment_id is not None
    assert reason in row.reason


def test_a_payment_without_a_price_is_unreadable(shop: Shop) -> None:
    payment_id = shop.add()
    with shop.engine.begin() as connection:
        connection.execute(shop.tables.payment_price.delete())
    [row] = everything(shop)
    assert isinstance(row, UnreadableRow)
    assert row.reason == f"payment {payment_id} has no price"


def test_an_unknown_wallet_state_is_told_where_the_payment_is_asked_for(shop: Shop) -> None:
    payment_id = shop.add()
    with shop.engine.begin() as connection:
        connection.execute(update(shop.tables.wallet).values(state="lost"))
    with reading(shop.engine) as connection:
        [row] = wallets_of_payments(connection, shop.tables, [payment_id])
    assert isinstance(row, UnreadableRow)
    assert "unknown wallet state 'lost'" in row.reason


def test_a_price_that_is_no_number_is_told_on_either_database(shop: Shop) -> None:
    shop.add()
    with shop.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {shop.tables.price.name} SET amount_in_crypto = 'NaN'")
    [row] = everything(shop)
    assert isinstance(row, UnreadableRow)
    assert "NaN" in row.reason


def test_of_two_prices_in_one_token_the_first_counts_as_it_does_for_the_peer(shop: Shop) -> None:
    payment_id = shop.add()
    with shop.engine.begin() as connection:
        tables = shop.tables
        price_id = connection.scalars(
            tables.price.insert()
            .values(amount_in_crypto=Decimal(3), token_id=shop.sol, meta_data={}, created=NOW, updated=NOW)
            .returning(tables.price.c.id)
        ).one()
        connection.execute(
            tables.payment_price.insert().values(
                solanapayment_id=payment_id, solanapaypaymentcryptoprice_id=price_id
            )
        )
    [wallet] = everything(shop)
    assert isinstance(wallet, Wallet)
    assert wallet.payment is not None
    assert [option.price for option in wallet.payment.options] == [Decimal("0.1"), Decimal(5)]


def test_one_broken_row_hides_no_other(shop: Shop) -> None:
    first, broken, last = shop.add(), shop.add(), shop.add()
    with shop.engine.begin() as connection:
        payment = shop.tables.payment
        connection.execute(update(payment).where(payment.c.id == broken).values(payment_address="?"))
    page = everything(shop)
    assert [isinstance(each, UnreadableRow) for each in page] == [False, True, False]
    assert [getattr(each, "payment_id", None) for each in page] == [None, broken, None]
    assert first < last


def test_the_mints_of_the_shop_are_those_of_its_tokens_that_can_be_read(shop: Shop) -> None:
    others = [str(Keypair().pubkey()) for _ in range(2)]
    with shop.engine.begin() as connection:
        for name, mint in zip("abc", [others[0], "nonsense", others[1]], strict=True):
            add_token(connection, shop.tables, mint=mint, price=Decimal(1), symbol=name)
    with reading(shop.engine) as connection:
        assert [str(mint) for mint in token_mints(connection, shop.tables, limit=10)] == [MINT, *others]
        assert [str(mint) for mint in token_mints(connection, shop.tables, limit=2)] == [MINT, others[0]]
