"""Whatever goes well or wrong, no secret shows: not in what is printed, not in Dagster's storage, not in our tables."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from solders.keypair import Keypair

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.faults import Fault
from solpay_pipeline_tests.command_line.warm import REPOSITORY, Ended, Warm
from solpay_pipeline_tests.secrets.needles import (
    files_below,
    found,
    keypair_needles,
    plain_array,
    text_needles,
    values_of,
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
        keypairs += [*self.strangers, self.shop.merchant.fee_payer.keypair()]
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
        database = Path(self.shop.database_url.removeprefix("sqlite:///"))
        stored = [*files_below(self.home), *values_of(database, "shop", "solpay_")]
        assert any(name.endswith(".db") for name, _ in stored), "Dagster has stored nothing"
        assert any("solpay_transaction" in name for name, _ in stored)
        assert found(self.secrets(), [*self.printed, *stored]) == []


@contextmanager
def shop_with_secrets(folder: Path) -> Iterator[Scene]:
    """One customer of each kind, two of them with keys that cannot be used."""
    home = folder / "dagster_home"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    with open_shop(folder) as shop:
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
    table = shop.merchant.tables.wallet
    with shop.merchant.engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == customer.wallet_id).values(keypair_json=content)
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with shop_with_secrets(tmp_path) as made:
        yield made


@pytest.mark.slow
def test_no_secret_shows_when_work_is_done_and_keys_cannot_be_read(warm: Warm, scene: Scene) -> None:
    assert scene.run(warm, "doctor").returncode == 1
    assert scene.run(warm, "recheck").returncode == 0
    scene.shop.wait(hours=1)
    ended = scene.run(warm, "maintain")
    assert ended.returncode == 1
    for name in ("garbled", "plain", "foreign"):
        assert scene.shop.state(scene.customers[name]) == "failed_to_send_funds"
    assert (
        scene.shop.state(scene.customers["good"]) == scene.shop.state(scene.customers["paid"]) == "sent_funds"
    )
    assert scene.run(warm, "sweep", "--json").returncode == 1
    assert scene.run(warm, "sweep", "--dry-run").returncode in (0, 1)
    scene.assert_nothing_shows()


@pytest.mark.slow
def test_no_secret_shows_when_the_node_fails_or_speaks_of_the_key(warm: Warm, scene: Scene) -> None:
    faults = [
        Fault("server_error", status=401),
        Fault("server_error", status=502),
        Fault("rate_limit", retry_after=0.1),
        Fault("rpc_error", code=-32600, message=f"api-key={API_KEY} is not good"),
        Fault("truncate"),
        Fault("drop_before"),
        Fault("rpc_error", methods={"sendTransaction"}, code=-32602, message=f"bad key {API_KEY}"),
    ]
    for fault in faults:
        scene.shop.node.faults.clear()
        scene.shop.node.faults.add(fault)
        assert scene.run(warm, "sweep").returncode == 1, fault
    scene.shop.node.faults.clear()
    nowhere = f"http://shop:{RPC_PASSWORD}@127.0.0.1:9/v2/{API_KEY}"
    assert scene.run(warm, "sweep", SOLPAY_RPC_URLS=nowhere).returncode == 1
    assert scene.run(warm, "doctor", SOLPAY_RPC_URLS=nowhere).returncode == 1
    proxy = {"SOLPAY_RPC_PROXY": f"http://shop:{RPC_PASSWORD}@127.0.0.1:9"}
    assert scene.run(warm, "sweep", **proxy).returncode == 1
    assert scene.run(warm, "sweep", SOLPAY_CLUSTER="mainnet-beta").returncode == 1
    scene.run(warm, "sweep")
    scene.assert_nothing_shows()


@pytest.mark.slow
def test_no_secret_shows_when_the_database_fails(warm: Warm, scene: Scene) -> None:
    unreachable = f"postgresql://shop:{DATABASE_PASSWORD}@127.0.0.1:9/shop?sslpassword={DATABASE_PASSWORD}"
    for command in ("sweep", "doctor", "init"):
        assert scene.run(warm, command, SOLPAY_DATABASE_URL=unreachable).returncode in (1, 2)
    # The ledger fails in the middle of a run, with a signed transaction in its hands.
    with scene.shop.merchant.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON solpay_movement BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    ended = scene.run(warm, "sweep")
    assert ended.returncode == 1
    assert "the disk is full" in ended.stderr
    with scene.shop.merchant.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON django_solana_payments_onetimepaymentwallet "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    assert scene.run(warm, "maintain").returncode == 1
    with scene.shop.merchant.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    scene.run(warm, "maintain")
    scene.assert_nothing_shows()


def test_the_search_finds_a_secret_in_each_of_its_forms(tmp_path: Path) -> None:
    keypair = Keypair()
    secret = bytes(keypair)
    for number, form in enumerate(
        [
            str(keypair),
            plain_array(keypair),
            keypair.to_json(),
            str(list(secret)),
            secret.hex(),
            base64.b64encode(secret).decode(),
            base64.b64encode(secret[:32]).decode(),
            repr(secret),
        ]
    ):
        (tmp_path / str(number)).write_text(f"error near {form} in line 1")
    assert len(found(keypair_needles(keypair), files_below(tmp_path))) == 8
