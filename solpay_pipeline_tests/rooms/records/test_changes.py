"""Changing rows only where they still are as they were read."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from sqlalchemy import select

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import PaymentOption, PaymentStatus, Wallet, WalletState
from solpay_pipeline.records.changes import (
    PaidPayment,
    accept_payments,
    change_payments,
    change_wallets,
    replace_sealed,
)
from solpay_pipeline.records.queries import sealed_keypairs, wallets_of_payments
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline_tests.rooms.records.conftest import MINT, NOW, Shop

USDC = Pubkey.from_string(MINT)
LATER = NOW + timedelta(seconds=1)


def wallet_id_of(shop: Shop, payment_id: int) -> int:
    with reading(shop.engine) as connection:
        [wallet] = wallets_of_payments(connection, shop.tables, [payment_id])
    assert isinstance(wallet, Wallet)
    return wallet.id


def test_only_wallets_still_in_the_expected_state_change(shop: Shop) -> None:
    waiting, taken = (wallet_id_of(shop, shop.add()) for _ in range(2))
    with shop.engine.begin() as connection:
        assert change_wallets(
            connection,
            shop.tables,
            [taken],
            from_state=WalletState.CREATED,
            to_state=WalletState.PROCESSING_PAYMENT,
            now=NOW,
        ) == {taken}
        changed = change_wallets(
            connection,
            shop.tables,
            [waiting, taken, 999],
            from_state=WalletState.CREATED,
            to_state=WalletState.PAYMENT_EXPIRED,
            now=LATER,
        )
        assert changed == {waiting}
        table = shop.tables.wallet
        rows = connection.execute(
            select(table.c.id, table.c.state, table.c.updated).order_by(table.c.id)
        ).all()
    assert [tuple(row) for row in rows] == [
        (waiting, "payment_expired", LATER),
        (taken, "processing_payment", NOW),
    ]


def test_the_receiver_is_written_only_when_given(shop: Shop) -> None:
    wallet_id = wallet_id_of(shop, shop.add(state=WalletState.PROCESSING_FUNDS))
    receiver = shop.tables.wallet.c.receiver_address
    with shop.engine.begin() as connection:
        change_wallets(
            connection,
            shop.tables,
            {wallet_id},
            from_state=WalletState.PROCESSING_FUNDS,
            to_state=WalletState.SENT_FUNDS,
            receiver_address="home",
            now=NOW,
        )
        assert connection.scalar(select(receiver)) == "home"
        change_wallets(
            connection,
            shop.tables,
            {wallet_id},
            from_state=WalletState.SENT_FUNDS,
            to_state=WalletState.PROCESSING_FUNDS,
            now=NOW,
        )
        assert connection.scalar(select(receiver)) == "home"


def by_sol(shop: Shop) -> PaymentOption:
    return PaymentOption(shop.sol, None, Decimal("0.1"))


def by_usdc(shop: Shop, mint: Pubkey = USDC) -> PaymentOption:
    return PaymentOption(shop.usdc, mint, Decimal(5))


@pytest.mark.parametrize("change", ["deleted", "another mint"])
def test_a_token_that_the_shop_has_changed_since_is_not_written_as_what_was_paid(
    shop: Shop, change: str
) -> None:
    payment_id = shop.add()
    paid_by = by_usdc(shop, Pubkey.new_unique())
    if change == "deleted":
        paid_by = replace(paid_by, token_id=999, mint=USDC)
    with shop.engine.begin() as connection:
        paid = PaidPayment(payment_id, PaymentStatus.INITIATED, "5ig", paid_by)
        assert accept_payments(connection, shop.tables, [paid], to_status=PaymentStatus.CONFIRMED, now=NOW)
        assert connection.scalar(select(shop.tables.payment.c.paid_token_id)) is None


def test_a_payment_that_someone_accepted_meanwhile_does_not_expire(shop: Shop) -> None:
    paid, unpaid = shop.add(), shop.add()
    with shop.engine.begin() as connection:
        assert accept_payments(
            connection,
            shop.tables,
            [PaidPayment(paid, PaymentStatus.INITIATED, "5ig", by_usdc(shop))],
            to_status=PaymentStatus.CONFIRMED,
            now=NOW,
        )
        expired = change_payments(
            connection,
            shop.tables,
            [paid, unpaid],
            from_status=PaymentStatus.INITIATED,
            to_status=PaymentStatus.EXPIRED,
            now=LATER,
        )
    assert expired == {unpaid}
    with reading(shop.engine) as connection:
        [wallet, _] = wallets_of_payments(connection, shop.tables, [paid, unpaid])
    assert isinstance(wallet, Wallet)
    assert wallet.payment is not None
    assert wallet.payment.status is PaymentStatus.CONFIRMED
    assert wallet.payment.signature == "5ig"
    assert wallet.payment.paid_token_id == shop.usdc


def test_a_payment_is_accepted_once(shop: Shop) -> None:
    payment_id = shop.add()
    answers = []
    for signature in ("first", "second"):
        with shop.engine.begin() as connection:
            answers.append(
                accept_payments(
                    connection,
                    shop.tables,
                    [PaidPayment(payment_id, PaymentStatus.INITIATED, signature, by_sol(shop))],
                    to_status=PaymentStatus.FINALIZED,
                    now=NOW,
                )
            )
    assert answers == [True, False]


def test_of_many_that_are_accepted_together_one_that_changed_shows(shop: Shop) -> None:
    first, expired, last = shop.add(), shop.add(), shop.add()
    read = PaymentStatus.INITIATED
    with shop.engine.begin() as connection:
        change_payments(
            connection, shop.tables, [expired], from_status=read, to_status=PaymentStatus.EXPIRED, now=NOW
        )
    together = [PaidPayment(one, read, f"sig{one}", by_sol(shop)) for one in (first, expired, last)]
    confirmed = PaymentStatus.CONFIRMED
    with shop.engine.connect() as connection:
        assert not accept_payments(connection, shop.tables, together, to_status=confirmed, now=NOW)
        connection.rollback()
    with shop.engine.begin() as connection:
        others = [one for one in together if one.payment_id != expired]
        assert accept_payments(connection, shop.tables, others, to_status=confirmed, now=NOW)
        wallets = wallets_of_payments(connection, shop.tables, [first, expired, last])
    payments = [wallet.payment for wallet in wallets if isinstance(wallet, Wallet)]
    assert [(one.status.value, one.signature) for one in payments if one is not None] == [
        ("confirmed", f"sig{first}"),
        ("expired", None),
        ("confirmed", f"sig{last}"),
    ]


def test_thousands_of_rows_change_in_one_statement(shop: Shop) -> None:
    payment_id = shop.add()
    with shop.engine.begin() as connection:
        assert change_payments(
            connection,
            shop.tables,
            range(payment_id, payment_id + 70_000),
            from_status=PaymentStatus.INITIATED,
            to_status=PaymentStatus.EXPIRED,
            now=NOW,
        ) == {payment_id}


def test_a_keypair_is_sealed_anew_only_in_place_of_the_one_that_was_read(shop: Shop) -> None:
    keypair = Keypair()
    wallet_id = wallet_id_of(shop, shop.add(keypair=keypair))
    with reading(shop.engine) as connection:
        sealed = sealed_keypairs(connection, shop.tables, [wallet_id])[wallet_id]
    renewed = WalletVault([Fernet.generate_key().decode()], encrypted=True).seal(keypair)
    with shop.engine.begin() as connection:
        assert replace_sealed(connection, shop.tables, sealed, renewed=renewed, now=NOW)
        assert not replace_sealed(connection, shop.tables, sealed, renewed="other", now=NOW)
        assert sealed_keypairs(connection, shop.tables, [wallet_id])[wallet_id].content == renewed
