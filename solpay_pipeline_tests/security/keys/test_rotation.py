"""New Fernet keys for the stored keypairs, while the shop runs, and killed half-way."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.records.queries import sealed_page
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.records.vault import KeyUnreadable, Sealed, WalletVault
from solpay_pipeline.testing.writing import add_payment, add_token
from solpay_pipeline_tests.command_line.warm import Death, Warm

ROWS = 1_000


@dataclass
class Books:
    """A shop's rows, sealed with an old key."""

    url: str
    engine: sa.Engine
    old: str
    new: str
    addresses: dict[int, Pubkey]

    def environment(self, *keys: str) -> dict[str, str]:
        return {
            "SOLPAY_DATABASE_URL": self.url,
            "SOLPAY_RPC_URLS": "http://127.0.0.1:9",
            "SOLPAY_RECEIVER_ADDRESS": str(Keypair().pubkey()),
            "SOLPAY_FEE_PAYER_KEYPAIR": str(Keypair()),
            "SOLPAY_WALLET_KEYS": ",".join(keys),
            "SOLPAY_CLUSTER": "localnet",
        }

    def sealed(self) -> list[Sealed]:
        with reading(self.engine) as connection:
            return [
                one for one, _ in sealed_page(connection, peer_tables(), after_wallet_id=0, limit=ROWS * 2)
            ]

    def opened_with(self, key: str) -> set[int]:
        """Wallets whose own keypair this key alone opens."""
        vault = WalletVault([key], encrypted=True)
        good = set()
        for one in self.sealed():
            try:
                assert (
                    vault.open(one, self.addresses[one.wallet_id]).pubkey() == self.addresses[one.wallet_id]
                )
            except KeyUnreadable:
                continue
            good.add(one.wallet_id)
        return good

    def add(self, key: str, count: int = 1) -> None:
        vault = WalletVault([key], encrypted=True)
        now = datetime.now(UTC)
        tables = peer_tables()
        with self.engine.begin() as connection:
            for _ in range(count):
                keypair = Keypair()
                ids = add_payment(connection, tables, vault, keypair, options={}, created=now, expires=now)
                self.addresses[ids.wallet] = keypair.pubkey()

    def write(self, wallet_id: int, content: Any) -> None:
        wallet = peer_tables().wallet
        with self.engine.begin() as connection:
            connection.execute(sa.update(wallet).where(wallet.c.id == wallet_id).values(keypair_json=content))


@pytest.fixture
def books(database_url: str, engine: sa.Engine) -> Books:
    create_peer_tables(engine, peer_tables())
    migrate.upgrade(engine)
    with engine.begin() as connection:
        add_token(connection, peer_tables(), mint=None, price=Decimal("0.1"), symbol="SOL")
    return Books(database_url, engine, Fernet.generate_key().decode(), Fernet.generate_key().decode(), {})


@pytest.mark.slow
def test_a_rotation_killed_half_way_is_finished_by_the_next_one(books: Books, warm: Warm):
    rows = ROWS if books.engine.dialect.name == "sqlite" else ROWS // 5
    half = rows // 2
    books.add(books.old, rows)
    death = Death("solpay_pipeline.operations.rotate:replace_sealed", "after", half)

    ended = warm.run(books.environment(books.new, books.old), "rotate-keys", death=death)

    assert ended.was_killed
    # The row whose transaction was open when it died is as it was.
    assert len(books.opened_with(books.new)) == half - 1
    assert len(books.opened_with(books.old)) == half + 1

    again = warm.run(books.environment(books.new, books.old), "rotate-keys", "--json")

    assert again.returncode == 0, again.stderr
    assert again.json() == {
        "renewed": half + 1,
        "already": half - 1,
        "changed_meanwhile": 0,
        "unreadable": [],
    }
    assert len(books.opened_with(books.new)) == rows
    assert books.opened_with(books.old) == set()


def test_rows_the_shop_adds_meanwhile_are_done_by_another_run(books: Books, warm: Warm):
    books.add(books.old, 3)
    environment = books.environment(books.new, books.old)
    assert warm.run(environment, "rotate-keys", "--json").json()["renewed"] == 3
    books.add(books.old, 2)

    assert warm.run(environment, "rotate-keys", "--json").json() == {
        "renewed": 2,
        "already": 3,
        "changed_meanwhile": 0,
        "unreadable": [],
    }


def test_a_dry_run_counts_and_writes_nothing(books: Books, warm: Warm):
    books.add(books.old, 2)
    before = [one.content for one in books.sealed()]

    ended = warm.run(books.environment(books.new, books.old), "rotate-keys", "--dry-run")

    assert "2 would be sealed anew" in ended.stdout
    assert [one.content for one in books.sealed()] == before


def test_a_row_that_no_key_opens_is_told_and_left_and_the_others_go_on(books: Books, warm: Warm):
    books.add(books.old, 3)
    foreign = Fernet(Fernet.generate_key()).encrypt(b"[]").decode()
    books.write(2, foreign)

    ended = warm.run(books.environment(books.new, books.old), "rotate-keys")

    assert ended.returncode == 1
    assert "wallet 2: none of the wallet keys opens its keypair" in ended.stdout
    assert foreign not in ended.stdout + ended.stderr
    assert books.opened_with(books.new) == {1, 3}
    assert books.sealed()[1].content == foreign


def test_a_keypair_of_another_wallet_is_told_and_left(books: Books, warm: Warm):
    books.add(books.old, 2)
    first, second = books.sealed()
    books.write(2, first.content)

    ended = warm.run(books.environment(books.new, books.old), "rotate-keys")

    assert ended.returncode == 1
    assert "wallet 2: its keypair is not the one of its payment's address" in ended.stdout
    assert books.sealed()[1].content == first.content != second.content


def test_there_is_nothing_to_rotate_where_nothing_is_encrypted(books: Books, warm: Warm):
    ended = warm.run(books.environment(), "rotate-keys")

    assert ended.returncode == 2
    assert ended.stderr.startswith("SOLPAY_WALLET_KEYS: ")
