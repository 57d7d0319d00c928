"""An empty database of each kind, and one with the peer's tables and something in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from solders.keypair import Keypair
from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import PeerTables, peer_tables
from solpay_pipeline.records.vault import WalletVault
from solpay_pipeline.testing.writing import add_payment, add_token

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


@dataclass(frozen=True)
class Shop:
    """A database with the peer's tables, a SOL token and a USDC token."""

    engine: Engine
    tables: PeerTables
    vault: WalletVault
    sol: int
    usdc: int

    def add(
        self,
        status: PaymentStatus = PaymentStatus.INITIATED,
        state: WalletState = WalletState.CREATED,
        expires: datetime = NOW + timedelta(minutes=30),
        created: datetime = NOW - timedelta(minutes=5),
        keypair: Keypair | None = None,
    ) -> int:
        """Add a payment of 0.1 SOL or 5 USDC; on an empty database its id and its wallet's are the same number."""
        with self.engine.begin() as connection:
            return add_payment(
                connection,
                self.tables,
                self.vault,
                keypair or Keypair(),
                options={self.sol: Decimal("0.1"), self.usdc: Decimal(5)},
                created=created,
                expires=expires,
                status=status,
                wallet_state=state,
            )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def shop(engine: Engine) -> Shop:
    tables = peer_tables()
    create_peer_tables(engine, tables)
    return furnished(engine, tables)


def furnished(engine: Engine, tables: PeerTables) -> Shop:
    with engine.begin() as connection:
        sol = add_token(connection, tables, mint=None, price=Decimal("0.1"), name="Solana", symbol="SOL")
        usdc = add_token(connection, tables, mint=MINT, price=Decimal(5), name="USD Coin", symbol="USDC")
    vault = WalletVault([Fernet.generate_key().decode()], encrypted=True)
    return Shop(engine, tables, vault, sol, usdc)
