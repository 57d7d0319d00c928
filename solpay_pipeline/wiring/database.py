"""The merchant's database, opened as the settings name it."""

from dataclasses import dataclass

from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.records.tables import PeerTables, peer_tables
from solpay_pipeline.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Database:
    """An engine, and the peer's tables behind it."""

    engine: Engine
    tables: PeerTables

    def close(self) -> None:
        """Let go of all connections. The engine opens new ones where it is used again."""
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """Raises `DatabaseUnreachable`."""
    return Database(
        engine=open_engine(settings.database_url.get_secret_value()),
        tables=peer_tables(settings.payment_table, settings.token_table),
    )
