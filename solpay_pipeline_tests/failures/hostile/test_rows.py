"""Rows that nobody could have written, or somebody has: each is set aside with its reason, and stops nobody else."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st
from solders.keypair import Keypair

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.tools.seed import TOKEN
from solpay_pipeline.records.queries import unknown_values
from solpay_pipeline_tests.failures.hostile.signed import assert_money_goes_home_only, signed_by_us
from solpay_pipeline_tests.failures.hostile.test_answers import EXAMPLES
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

OPERATIONS = ("recheck", "expire", "sweep", "reclaim")
BEGINNINGS = {
    "accepted": (PaymentStatus.CONFIRMED, WalletState.PROCESSING_PAYMENT),
    "expired": (PaymentStatus.EXPIRED, WalletState.PAYMENT_EXPIRED),
    "due": (PaymentStatus.INITIATED, WalletState.CREATED),
}
AT_REST = {"sent_funds", "payment_expired_and_wallet_closed"}

NO_ADDRESS = (
    "",
    " ",
    "x",
    "0" * 44,
    "1" * 44,
    "l" * 43,
    "None",
    "é" * 20,
    "A" * 500,
    "1" * 31,
    7,
    b"\xff" * 32,
)
STRANGE_ADDRESSES = (str(Keypair().pubkey()), str(TOKEN), "1" * 32)
NO_KEY = (
    '""', '"gAAAAA"', "null", "true", "17", "{}", "[]", '["a"]', '"[1,2]"', "[1, 2, 3]", "[" + "0, " * 63 + "0]",
    "[" + "300, " * 63 + "1]", '"\\ud800"', '"' + "A" * 3_000 + '"', "not JSON", "", '"' + Fernet.generate_key().decode() + '"',
)  # fmt: skip
NO_PRICE = (-1, 0, "-0.1", "1e-40", "abc", "NaN", "Infinity", "", "9" * 40, 1e300, -1e-18, b"\x00\x01")
NO_WORD = ("", "paid", "INITIATED", "confirmed ", "\x00", "é", "sent" * 40, 5, b"\xff")
NO_TIME = (
    "",
    "yesterday",
    "2026-13-45 00:00:00",
    "0000-00-00",
    2**62,
    b"\xff",
    "9999-99-99 99:99:99",
)
NO_ID = (0, -1, 10**9, 2**62)


@dataclass(frozen=True)
class Spoil:
    """A column of a payment's row, its wallet's or its price's, and what stands there instead."""

    table: str
    column: str
    value: Any
    begins: str = "accepted"


def _spoils(table: str, column: str, values: tuple[Any, ...], *begins: str) -> st.SearchStrategy[Spoil]:
    beginnings = st.sampled_from(begins or tuple(BEGINNINGS))
    return st.builds(Spoil, st.just(table), st.just(column), st.sampled_from(values), beginnings)


spoils = st.one_of(
    _spoils("payment", "payment_address", NO_ADDRESS),
    # A strange address that is empty looks like a payment that nobody paid: only where it was accepted can one tell.
    _spoils("payment", "payment_address", STRANGE_ADDRESSES, "accepted"),
    _spoils("wallet", "keypair_json", NO_KEY, "accepted"),
    _spoils("wallet", "keypair_json", ("another's",), "accepted"),
    _spoils("price", "amount_in_crypto", NO_PRICE),
    _spoils("price", "token_id", NO_ID),
    _spoils("payment", "status", NO_WORD),
    _spoils("wallet", "state", NO_WORD),
    _spoils("payment", "expiration_date", NO_TIME),
    _spoils("payment", "created", NO_TIME),
    _spoils("payment", "paid_token_id", NO_ID),
    _spoils("payment", "signature", NO_WORD),
)


def spoil(shop: Shop, customer: Customer, spoiled: Spoil) -> None:
    """Write it as a hand with an SQL prompt would, past every constraint that can be passed."""
    tables = shop.deployment.tables
    ids = {"payment": customer.payment_id, "wallet": customer.wallet_id}
    table = getattr(tables, spoiled.table)
    value = spoiled.value
    if value == "another's":
        value = shop.wallet_row(shop.new_payment()).keypair_json
        value = f'"{value}"'
    with closing(sqlite3.connect(shop.database_url.removeprefix("sqlite:///"), timeout=30)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        if spoiled.table == "price":
            link = tables.payment_price
            [(row,)] = connection.execute(
                f"SELECT solanapaypaymentcryptoprice_id FROM {link.name} WHERE {tables.payment_column} = ?",
                (customer.payment_id,),
            )
        else:
            row = ids[spoiled.table]
        connection.execute(
            f"UPDATE OR IGNORE {table.name} SET {spoiled.column} = ? WHERE id = ?", (value, row)
        )
        connection.commit()


def assert_told_or_home(shop: Shop, customer: Customer, spoiled: Spoil) -> None:
    """The wallet is empty, or it says why it is not and does not look done."""
    if shop.seed.lamports(customer.address) == 0:
        return
    with closing(sqlite3.connect(shop.database_url.removeprefix("sqlite:///"), timeout=30)) as connection:
        query = f"SELECT state FROM {shop.deployment.tables.wallet.name} WHERE id = ?"
        [(state,)] = connection.execute(query, (customer.wallet_id,))
    assert state not in AT_REST, spoiled
    told = shop.findings(customer)
    if spoiled.column in ("state", "status"):
        # No page by state shows it: the doctor counts it instead.
        with reading(shop.deployment.engine) as connection:
            assert told or unknown_values(connection, shop.deployment.tables), spoiled
    else:
        assert told, spoiled
    for one in told:
        assert one.finding.explanation.strip(), spoiled


def _try_all(folder: Path, examples: int, rows: int, number: int) -> None:
    logging.disable(logging.CRITICAL)
    with open_shop(folder) as shop:
        shop.accept_sol()
        held: list[Customer] = []

        @seed(number)
        @settings(EXAMPLES, max_examples=examples, derandomize=False)
        @example([Spoil("payment", "signature", b"\xff")])
        @given(st.lists(spoils, min_size=rows, max_size=rows))
        def tried(each: list[Spoil]) -> None:
            before = shop.received()
            shop.settle_chain()
            spoiled = []
            for one in each:
                status, state = BEGINNINGS[one.begins]
                customer = shop.new_payment(status=status, state=state)
                shop.pay_sol(customer)
                spoil(shop, customer, one)
                spoiled.append((customer, one))
            status, state = BEGINNINGS["accepted"]
            good = shop.new_payment(status=status, state=state)
            shop.pay_sol(good)
            shop.wait(hours=1)
            for operation in OPERATIONS:
                shop.run(operation)
            assert shop.state(good) == "sent_funds"
            for customer, one in spoiled:
                assert_told_or_home(shop, customer, one)
            held.extend(customer for customer, _ in spoiled)
            gone = [customer for customer in held if shop.seed.lamports(customer.address) == 0]
            held[:] = [customer for customer in held if customer not in gone]
            assert shop.received() == before + (len(gone) + 1) * SOL // 10

        try:
            tried()
            assert_money_goes_home_only(shop, signed_by_us(shop))
        finally:
            logging.disable(logging.NOTSET)


def test_a_dozen_spoiled_rows_are_told_or_home_and_stop_nobody(tmp_path: Path) -> None:
    _try_all(tmp_path, 1, 12, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_sixty_spoiled_rows_are_told_or_home_and_stop_nobody(tmp_path: Path, number: int) -> None:
    _try_all(tmp_path, 3, 20, number)
