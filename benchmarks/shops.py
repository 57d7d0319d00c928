"""The shops that are measured: a database and a chain in files, made once and copied for every measurement.

Up to PEER_MOST payments are made by the peer's own service, which also opens their token accounts; more of them, which
would take it an hour, are written as it writes them. Every payment can be paid in SOL or in either of two tokens.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from solders.pubkey import Pubkey

from benchmarks.chain import AT_ONCE
from benchmarks.processes import CACHE, ROOT, peer_python, run
from solpay_pipeline.lifecycle.terms import LAMPORTS_PER_SOL
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server import state_file
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline.testing import shop as testing

FORMAT = 3
"""Of the files; those of another are made again."""

PEER_SIZES = (20, 50, 200)
PEER_MOST = PEER_SIZES[-1]
LASTS = timedelta(days=365)
PRICES = {"SOL": "0.1", "T0": "5", "T1": "5"}
PAID_LAMPORTS, PAID_UNITS = LAMPORTS_PER_SOL // 10, 5_000_000
SETTINGS_MODULE = "solpay_pipeline.testing.peer_settings"


@dataclass(frozen=True, slots=True)
class Shop:
    """Files, and what it takes to work on them. Keys are those of a chain that nobody else has."""

    folder: str
    settings: Mapping[str, str]
    fee_payer_address: str
    mints: list[str]

    @property
    def database(self) -> Path:
        return _database(Path(self.folder))

    @property
    def receiver(self) -> str:
        return self.settings["SOLPAY_RECEIVER_ADDRESS"]

    def chain(self, paid_in: str) -> Path:
        return Path(self.folder) / f"chain-{paid_in}.json"

    def our_environment(self, database: Path, rpc_url: str) -> dict[str, str]:
        places = {"SOLPAY_DATABASE_URL": f"sqlite:///{database}", "SOLPAY_RPC_URLS": rpc_url}
        return {"PYTHONPATH": str(ROOT), **self.settings, **places}

    def peer_environment(self, database: Path, rpc_url: str) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
            "PEER_DATABASE": json.dumps({"ENGINE": "django.db.backends.sqlite3", "NAME": str(database)}),
            "PEER_RPC_URL": rpc_url,
            "PEER_RECEIVER": self.receiver,
            "PEER_FEE_PAYER": self.settings["SOLPAY_FEE_PAYER_KEYPAIR"],
            "PEER_WALLET_KEY": self.settings["SOLPAY_WALLET_KEYS"],
            "PEER_VALIDITY_SECONDS": str(int(LASTS.total_seconds())),
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


def _database(folder: Path) -> Path:
    return folder / "shop.sqlite3"


def _config() -> ChainConfig:
    return ChainConfig(slot_seconds=AT_ONCE.slot_seconds, confirmed_lag=AT_ONCE.confirmed_lag, seed=11)


def _made(folder: Path, size: int) -> Shop:
    by_peer = size <= PEER_MOST
    url = f"sqlite:///{_database(folder)}"
    with (
        running(Chain(_config())) as node,
        testing.Shop.open(url, node, create_tables=not by_peer) as made,
    ):
        made.fund()
        mints = [made.seed.create_mint(), made.seed.create_mint()]
        made.seed.create_atas(made.receiver, mints)
        made.finalize_chain()
        payer = str(made.fee_payer.pubkey())
        shop = Shop(str(folder), made.environment(), payer, [str(mint) for mint in mints])
        if by_peer:
            tokens = json.dumps(list(zip(PRICES, PRICES.values(), [None, *shop.mints], strict=True)))
            command = [peer_python(), "-m", "benchmarks.peer_side", "create", str(size), tokens]
            run(command, shop.peer_environment(shop.database, node.url))
        else:
            for (symbol, price), mint in zip(PRICES.items(), [None, *mints], strict=True):
                made.accept_token(mint, price, symbol)
            for _ in range(size):
                made.new_payment(lasts=LASTS)
        state_file.save(node.chain, shop.chain("nothing"))
    with sqlite3.connect(shop.database) as connection:
        # One file is copied; what stands in the log beside it would be left behind.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return shop
