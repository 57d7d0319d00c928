"""An empty database of each kind, and one with the peer's tables and something in them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from solders.keypair import Keypair
from sqlalchemy import Engine

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

    def add(self, keypair: Keypair | None = None, **row: Any) -> int:
        """Add a payment of 0.1 SOL or 5 USDC; on an empty database its id and its wallet's are the same number."""
        times = {"created": NOW - timedelta(minutes=5), "expires": NOW + timedelta(minutes=30)}
        with self.engine.begin() as connection:
            return add_payment(
                connection,
                self.tables,
                self.vault,
                keypair or Keypair(),
                options={self.sol: Decimal("0.1"), self.usdc: Decimal(5)},
                **{**times, **row},
            ).payment


@pytest.fixture
def shop(engine: Engine) -> Shop:
    tables = peer_tables()
    create_peer_tables(engine, tables)
    return furnished(engine, tables)


def furnished(engine: Engine, tables: PeerTables) -> Shop:
    with engine.begin() as connection:
        sol = add_token(connection, tables, mint=None, price=Decimal("0.1"), symbol="SOL")
        usdc = add_token(connection, tables, mint=MINT, price=Decimal(5), symbol="USDC")
    vault = WalletVault([Fernet.generate_key().decode()], encrypted=True)
    return Shop(engine, tables, vault, sol, usdc)
