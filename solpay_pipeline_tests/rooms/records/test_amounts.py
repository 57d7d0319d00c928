"""Prices and times are what the merchant's Django application reads and writes, to the last digit it shows."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.keypair import Keypair
from sqlalchemy import select

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.records.queries import wallets_of_payments
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.testing.writing import add_payment
from solpay_pipeline_tests.rooms.records.conftest import NOW, Shop, furnished
from solpay_pipeline_tests.rooms.records.test_schema import peer_at

EXACT = [
    "0.1",
    "5",
    "0.3",
    "1000000",
    "0.002039281",
    "123456.123456789",
    "98765432.1234567",
    "0.000000000000000001",
]
LONG = ["0.123456789012345678", "123456789012.123456789012345678", "2.675123456789012345"]


def written_price(shop: Shop, price: Decimal) -> int:
    with shop.engine.begin() as connection:
        return add_payment(
            connection,
            shop.tables,
            shop.vault,
            Keypair(),
            options={shop.sol: price},
            created=NOW,
            expires=NOW,
        ).payment


def price_read(shop: Shop, payment_id: int) -> Decimal:
    with reading(shop.engine) as connection:
        [wallet] = wallets_of_payments(connection, shop.tables, [payment_id])
    assert isinstance(wallet, Wallet)
    assert wallet.payment is not None
    return wallet.payment.options[0].price


def test_django_reads_our_prices_and_times_as_we_do(shop: Shop, database_url: str) -> None:
    prices = [Decimal(text) for text in EXACT + LONG]
    ids = [written_price(shop, price) for price in prices]
    django = {payment["id"]: payment for payment in peer_at(database_url).states()["payments"]}
    for payment_id, price in zip(ids, prices, strict=True):
        ours = price_read(shop, payment_id)
        assert str(ours) == django[payment_id]["prices"][str(shop.sol)]
        if str(price) in EXACT or shop.engine.dialect.name == "postgresql":
            assert ours == price
        assert datetime.fromisoformat(django[payment_id]["expires"]) == NOW


def test_we_read_djangos_prices_as_django_does(shop: Shop, database_url: str) -> None:
    peer = peer_at(database_url)
    tokens = [
        {"name": text, "symbol": text, "token_type": "SPL", "mint_address": str(Keypair().pubkey())}
        for text in EXACT + LONG
    ]
    token_ids = peer.create_tokens([{**token, "payment_crypto_price": token["name"]} for token in tokens])
    django = peer.token_prices()
    table = shop.tables.token
    with reading(shop.engine) as connection:
        rows = connection.execute(select(table.c.id, table.c.payment_crypto_price))
        ours = {row.id: row.payment_crypto_price for row in rows}
    for token_id, token in zip(token_ids, tokens, strict=True):
        assert str(ours[token_id]) == django[token_id]
        if token["name"] in EXACT or shop.engine.dialect.name == "postgresql":
            assert ours[token_id] == Decimal(token["name"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.decimals(min_value=Decimal("0.000000001"), max_value=Decimal(999_999), places=9))
def test_every_price_of_fifteen_digits_comes_back_exactly(shop: Shop, price: Decimal) -> None:
    assert price_read(shop, written_price(shop, price)) == price


@pytest.mark.parametrize("price", [0.1, 1, "1"])
def test_a_price_that_is_no_decimal_is_refused(shop: Shop, price: object) -> None:
    with pytest.raises(Exception, match="an amount is a Decimal"):
        written_price(shop, price)  # type: ignore[arg-type]


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1000000000000", "1E+30"])
def test_a_price_that_the_column_cannot_hold_is_refused(shop: Shop, price: str) -> None:
    with pytest.raises(Exception, match="an amount has at most 30 digits"):
        written_price(shop, Decimal(price))


def test_times_are_stored_as_django_stores_them(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite3"
    engine = open_engine(f"sqlite:///{file}")
    create_peer_tables(engine, peer_tables())
    shop = furnished(engine, peer_tables())
    east = timezone(timedelta(hours=3))
    shop.add(expires=datetime(2026, 11, 22, 15, 0, tzinfo=east))
    shop.add(expires=datetime(2026, 11, 22, 12, 0, 0, 250, tzinfo=UTC))
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            f"SELECT expiration_date FROM {shop.tables.payment.name} ORDER BY id"
        ).fetchall()
    assert [row[0] for row in rows] == ["2026-11-22 12:00:00", "2026-11-22 12:00:00.000250"]


def test_a_time_without_a_zone_is_refused(shop: Shop) -> None:
    with pytest.raises(Exception, match="a time without a zone"):
        shop.add(expires=datetime(2026, 11, 22))  # noqa: DTZ001


def test_a_time_that_cannot_be_read_makes_the_row_unreadable(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}")
    create_peer_tables(engine, peer_tables())
    shop = furnished(engine, peer_tables())
    payment_id = shop.add()
    with shop.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {shop.tables.payment.name} SET expiration_date = 'tomorrow'")
    with reading(shop.engine) as connection:
        [row] = wallets_of_payments(connection, shop.tables, [payment_id])
    assert "a time that cannot be read" in getattr(row, "reason", "")
