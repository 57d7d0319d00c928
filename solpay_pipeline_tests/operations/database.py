"""A database with the peer's tables and ours, and an operation over it whose chain shows what a test says."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from solders.keypair import Keypair
from sqlalchemy import Engine

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import event
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline.operations.changes.written_journal import WrittenJournal
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.testing.writing import add_payment
from solpay_pipeline_tests.operations.ground import EXPIRED, MADE, Scene, holds, snapshot


@dataclass
class Shop:
    """A database with two tokens, and an operation over it whose chain shows what a test says."""

    engine: Engine
    scene: Scene
    sol: int
    usdc: int

    @property
    def tables(self) -> PeerTables:
        return self.scene.deployment.tables

    @property
    def books(self) -> WrittenBooks:
        assert isinstance(self.scene.context.books, WrittenBooks)
        return self.scene.context.books

    @property
    def journal(self) -> WrittenJournal:
        return WrittenJournal(self.scene.deployment, self.scene.context.run, self.scene.tally)

    def new_payment(self, **more: Any) -> Snapshot:
        """An unpaid payment of 0.1 SOL or 5 USDC whose time is over, as it was read, with an open account."""
        with self.engine.begin() as connection:
            payment_id = add_payment(
                connection,
                self.tables,
                self.scene.deployment.vault,
                Keypair(),
                options={self.sol: Decimal("0.1"), self.usdc: Decimal(5)},
                created=MADE,
                expires=EXPIRED,
                **more,
            ).payment
        [row] = self.scene.context.records.of_payments([payment_id])
        assert isinstance(row, Wallet)
        held = holds(row, usdc=0)
        self.scene.chain.show(row, held)
        return snapshot(row, held)

    def payment(self, one: Snapshot) -> Any:
        with reading(self.engine) as connection:
            table = self.tables.payment
            return connection.execute(sa.select(table).where(table.c.id == one.payment.id)).one()

    def state(self, one: Snapshot) -> str:
        with reading(self.engine) as connection:
            table = self.tables.wallet
            return str(connection.scalar(sa.select(table.c.state).where(table.c.id == one.wallet.id)))

    def kinds(self, one: Snapshot) -> list[str]:
        with reading(self.engine) as connection:
            query = sa.select(event.c.kind).where(event.c.payment_id == one.payment.id).order_by(event.c.id)
            return list(connection.scalars(query))
