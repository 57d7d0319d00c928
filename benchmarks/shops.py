"""The shops that are measured: a database and a chain in files, made once and copied for every measurement.

Up to PEER_MOST payments are made by the peer's own service, which also opens their token accounts; more of them, which
would take it an hour, are written as it writes them. Every payment can be paid in SOL or in either of two tokens.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from cryptography.fernet import Fernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from benchmarks.chain import AT_ONCE
from benchmarks.processes import CACHE, ROOT, peer_python, run
from solpay_pipeline.base.database import open_engine
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.testing.writing import add_payment, add_token

FORMAT = 2
"""Of the files; others are made anew."""

PEER_SIZES = (20, 50, 200)
PEER_MOST = PEER_SIZES[-1]
VALID_SECONDS = 365 * 86_400
SOL = 10**9
SOL_PRICE, TOKEN_PRICE = "0.1", "5"
PAID_LAMPORTS, PAID_UNITS = SOL // 10, 5_000_000
FEE_PAYER_LAMPORTS = 1_000 * SOL
SETTINGS_MODULE = "solpay_pipeline_tests.peer.settings"

PAID_IN = ("nothing", "SOL", "SPL", "both")


@dataclass(frozen=True, slots=True)
class Shop:
    """Files, and what it takes to work on them. Keys are those of a chain that nobody else has."""

    folder: str
    receiver: str
    fee_payer: str
    fee_payer_address: str
    wallet_key: str
    mints: list[str]

    @property
    def database(self) -> Path:
        return Path(self.folder) / "shop.sqlite3"

    def chain(self, paid_in: str) -> Path:
        return Path(self.folder) / f"chain-{paid_in}.json"

    def our_environment(self, database: Path, rpc_url: str) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "SOLPAY_DATABASE_URL": f"sqlite:///{database}",
            "SOLPAY_RPC_URLS": rpc_url,
            "SOLPAY_RECEIVER_ADDRESS": self.receiver,
            "SOLPAY_FEE_PAYER_KEYPAIR": self.fee_payer,
            "SOLPAY_WALLET_KEYS": self.wallet_key,
            "SOLPAY_CLUSTER": "localnet",
        }

    def peer_environment(self, database: Path, rpc_url: str) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
            "PEER_DATABASE": json.dumps({"ENGINE": "django.db.backends.sqlite3", "NAME": str(database)}),
            "PEER_RPC_URL": rpc_url,
            "PEER_RECEIVER": self.receiver,
            "PEER_FEE_PAYER": self.fee_payer,
            "PEER_WALLET_KEY": self.wallet_key,
            "PEER_VALIDITY_SECONDS": str(VALID_SECONDS),
        }


def shop_of(size: int) -> Shop:
    """The shop with at least so many unpaid payments; those above `size` are left out of the copies."""
    made = next((made for made in PEER_SIZES if size <= made), size)
    folder = CACHE / f"shop-{FORMAT}-{made}"
    told = folder / "shop.json"
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.monotonic()
        print(f"making a shop of {made} payments ...", flush=True)
        shop = _made(folder, made)
        told.write_text(json.dumps(asdict(shop)))
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return Shop(**json.loads(told.read_text()))


def chain_of(shop: Shop, paid_in: str) -> Path:
    """The chain after every customer has paid so: made at the first use."""
    path = shop.chain(paid_in)
    if not path.exists():
        chain = state_file.load(shop.chain("nothing"), _config())
        seed = Seed(chain)
        for address in addresses(shop.database):
            if paid_in in ("SOL", "both"):
                seed.pay_sol(address, PAID_LAMPORTS)
            if paid_in in ("SPL", "both"):
                seed.pay_token(address, Pubkey.from_string(shop.mints[0]), PAID_UNITS)
        state_file.save(chain, path)
    return path


def addresses(database: Path) -> Iterator[Pubkey]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT payment_address FROM django_solana_payments_solanapayment ORDER BY id"
        )
        for (address,) in rows.fetchall():
            yield Pubkey.from_string(address)


def _config() -> ChainConfig:
    return ChainConfig(slot_seconds=AT_ONCE.slot_seconds, confirmed_lag=AT_ONCE.confirmed_lag, seed=11)


def _made(folder: Path, size: int) -> Shop:
    chain = Chain(_config())
    seed = Seed(chain)
    fee_payer, receiver = Keypair(), Keypair().pubkey()
    seed.airdrop(fee_payer.pubkey(), FEE_PAYER_LAMPORTS)
    seed.airdrop(receiver, SOL)
    mints = [seed.create_mint(), seed.create_mint()]
    for mint in mints:
        seed.create_ata(receiver, mint)
    chain.advance(chain.config.finalized_lag + 1)
    shop = Shop(
        folder=str(folder),
        receiver=str(receiver),
        fee_payer=fee_payer.to_json(),
        fee_payer_address=str(fee_payer.pubkey()),
        wallet_key=Fernet.generate_key().decode(),
        mints=[str(mint) for mint in mints],
    )
    if size <= PEER_MOST:
        _by_the_peer(shop, chain, size)
    else:
        _like_the_peer(shop, seed, size)
    with sqlite3.connect(shop.database) as connection:
        # One file is copied; what stands in the log beside it would be left behind.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    state_file.save(chain, shop.chain("nothing"))
    return shop


def _by_the_peer(shop: Shop, chain: Chain, size: int) -> None:
    tokens = [{"name": "SOL", "symbol": "SOL", "token_type": "NATIVE", "payment_crypto_price": SOL_PRICE}]
    for place, mint in enumerate(shop.mints):
        spl = {"token_type": "SPL", "mint_address": mint, "payment_crypto_price": TOKEN_PRICE}
        tokens.append({"name": f"Token {place}", "symbol": f"T{place}", **spl})
    with running(chain) as node:
        command = [peer_python(), "-m", "benchmarks.peer_side", "create", str(size), json.dumps(tokens)]
        run(command, shop.peer_environment(shop.database, node.url))


def _like_the_peer(shop: Shop, seed: Seed, size: int) -> None:
    engine = open_engine(f"sqlite:///{shop.database}")
    tables = peer_tables()
    create_peer_tables(engine, tables)
    vault = WalletVault([SecretStr(shop.wallet_key)], encrypted=True)
    mints = [Pubkey.from_string(mint) for mint in shop.mints]
    with engine.begin() as connection:
        options = {
            add_token(
                connection, tables, mint=None, price=Decimal(SOL_PRICE), name="SOL", symbol="SOL"
            ): Decimal(SOL_PRICE)
        }
        for place, mint in enumerate(shop.mints):
            token = add_token(
                connection,
                tables,
                mint=mint,
                price=Decimal(TOKEN_PRICE),
                name=f"Token {place}",
                symbol=f"T{place}",
            )
            options[token] = Decimal(TOKEN_PRICE)
        for _ in range(size):
            keypair = Keypair()
            seed.create_atas(keypair.pubkey(), mints)
            now = datetime.now(UTC)
            expires = now + timedelta(seconds=VALID_SECONDS)
            add_payment(connection, tables, vault, keypair, options=options, created=now, expires=expires)
    engine.dispose()
