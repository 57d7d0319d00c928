"""A shop whose every setting that can carry a secret does, and the search for each of them wherever it could show."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from cryptography.fernet import Fernet
from solders.keypair import Keypair

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import metadata
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.command_line.warm import REPOSITORY, Ended, Warm
from solpay_pipeline_tests.security.secrets.needles import (
    files_below,
    found,
    keypair_needles,
    plain_array,
    text_needles,
)
from solpay_pipeline_tests.shop import Customer, Shop, open_shop

API_KEY = "rpc-key-77f3ab91c2"
RPC_PASSWORD = "rpc-password-1d20"
HEADER_VALUE = "header-secret-6b41"
DATABASE_PASSWORD = "database-password-9e"
WEBHOOK_TOKEN = "webhook-token-c0ffee"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of webhook key!").decode()
OLD_KEY = Fernet.generate_key().decode()


@dataclass
class Scene:
    """A shop whose every setting that can carry a secret does, with a Dagster instance that keeps everything."""

    shop: Shop
    home: Path
    customers: dict[str, Customer]
    strangers: list[Keypair]
    printed: list[tuple[str, bytes]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        address = urlsplit(self.shop.node.url).netloc
        return self.shop.environment() | {
            "SOLPAY_RPC_URLS": f"http://shop:{RPC_PASSWORD}@{address}/?api-key={API_KEY}",
            "SOLPAY_RPC_HEADERS": f"x-api-key={HEADER_VALUE}",
            "SOLPAY_WALLET_KEYS": f"{self.shop.wallet_key},{OLD_KEY}",
            "SOLPAY_WEBHOOK_URL": f"https://hooks.test/{WEBHOOK_TOKEN}",
            "SOLPAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "DAGSTER_HOME": str(self.home),
        }

    def run(self, warm: Warm, *args: str, **settings: str) -> Ended:
        ended = warm.run(self.environment() | settings, *args, hurried=True)
        self.printed.append((f"{args} printed", (ended.stdout + ended.stderr).encode()))
        return ended

    def secrets(self) -> set[bytes]:
        keypairs = [customer.keypair for customer in self.customers.values()]
        keypairs += [*self.strangers, self.shop.deployment.fee_payer.keypair()]
        needles = text_needles(
            self.shop.wallet_key,
            OLD_KEY,
            API_KEY,
            RPC_PASSWORD,
            HEADER_VALUE,
            DATABASE_PASSWORD,
            WEBHOOK_TOKEN,
            WEBHOOK_SECRET,
            WEBHOOK_SECRET.removeprefix("whsec_"),
        )
        needles.add(base64.urlsafe_b64decode(self.shop.wallet_key))
        needles.add(b"bytes of webhook key")
        return needles.union(*map(keypair_needles, keypairs))

    def assert_nothing_shows(self) -> None:
        stored = [*files_below(self.home), *self._our_values()]
        assert any(name.endswith(".db") for name, _ in stored), "Dagster has stored nothing"
        assert any("solpay_transaction" in name for name, _ in stored)
        assert found(self.secrets(), [*self.printed, *stored]) == []

    def _our_values(self) -> Iterator[tuple[str, bytes]]:
        """Every value of the pipeline's own tables, on whichever database they lie."""
        with reading(self.shop.deployment.engine) as connection:
            for table in metadata.sorted_tables:
                for row in connection.execute(sa.select(table)):
                    for value in row:
                        yield table.name, value if isinstance(value, bytes) else str(value).encode()


@contextmanager
def shop_with_secrets(folder: Path, database_url: str | None = None) -> Iterator[Scene]:
    """One customer of each kind, two of them with keys that cannot be used."""
    home = folder / "dagster_home"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    with open_shop(folder, database_url=database_url) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        accepted = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
        customers = {
            "paid": shop.new_payment(),
            "due": shop.new_payment(),
            "short": shop.new_payment(),
            "good": shop.new_payment(**accepted),  # type: ignore[arg-type]
            "garbled": shop.new_payment(**accepted),  # type: ignore[arg-type]
            "plain": shop.new_payment(**accepted),  # type: ignore[arg-type]
            "foreign": shop.new_payment(**accepted),  # type: ignore[arg-type]
            "frozen": shop.new_payment(**accepted),  # type: ignore[arg-type]
        }
        for name in ("paid", "good", "garbled", "plain", "foreign", "frozen"):
            shop.pay_token(customers[name], mint)
        shop.pay_sol(customers["short"], "0.01")
        stranger = Keypair()
        sealed_stranger = Fernet(shop.wallet_key).encrypt(plain_array(stranger).encode()).decode()
        store(shop, customers["garbled"], "gAAAA" + plain_array(customers["garbled"].keypair))
        store(shop, customers["plain"], plain_array(customers["plain"].keypair))
        store(shop, customers["foreign"], sealed_stranger)
        shop.seed.freeze(shop.ata(customers["frozen"].address, mint), mint)
        shop.settle_chain()
        yield Scene(shop, home, customers, [stranger])


def store(shop: Shop, customer: Customer, content: str) -> None:
    """What stands in the wallet's `keypair_json`."""
    shop.change_wallet(customer, keypair_json=content)
