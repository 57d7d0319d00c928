"""The database of a simulated shop: one SQLite file in memory for all histories of a worker, emptied between two.

Reads and writes of the product go through its own engine, whose transactions are effects of a process. What the
simulation itself looks at goes through a plain connection that nobody notices.
"""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.tables import metadata
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.records.tables import peer_tables
from solpay_pipeline_tests.proofs.simulation.process import CURRENT, Process

_MEMORY = Path("/dev/shm")

_BUSY_MS = 100
"""Nobody ever has to wait: one thread does everything. Whoever does holds a transaction across a request."""

_TRIED_AGAIN = {
    "solpay_transaction": "WHERE state <> 'refused'",
    "solpay_leg": "WHERE transaction_id IN (SELECT id FROM solpay_transaction WHERE state <> 'refused')",
    "solpay_movement": "WHERE leg_id IN (SELECT l.id FROM solpay_leg l JOIN solpay_transaction t"
    " ON t.id = l.transaction_id WHERE t.state <> 'refused')",
}
"""What a node refuses never left; each run tries it again."""

VOLATILE = {
    "django_solana_payments_onetimepaymentwallet": {"updated"},
    "solpay_look": {"looked_at"},
    "solpay_watch": {"next_look_at"},
    "solpay_finding": {"last_seen_at", "run_id", "operation", "explanation"},
}
"""What another look at the same thing changes by its nature."""


class Database:
    """An engine with a shop's tables in it. `on_commit` is told of each of a process's commits."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        path = Path(self._folder.name) / "shop.db"
        self.tables = peer_tables()
        self.engine: Engine = open_engine(f"sqlite:///{path}")
        self.on_commit: Callable[[Process], None] = lambda _: None
        create_peer_tables(self.engine, self.tables)
        migrate.upgrade(self.engine)
        self._names = [table.name for table in (*self.tables.all, *metadata.sorted_tables)]
        self.look = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_MS / 1000)
        self.look.row_factory = sqlite3.Row
        self._columns = {
            name: [row["name"] for row in self.look.execute(f"PRAGMA table_info({name})")]
            for name in self._names
        }
        self._watch()

    def close(self) -> None:
        """Takes the file away."""
        self.look.close()
        self.engine.dispose()
        self._folder.cleanup()

    def empty(self) -> None:
        """A shop that nobody has come to."""
        self.look.execute("PRAGMA foreign_keys = OFF")
        for name in [*self._names, "sqlite_sequence"]:
            self.look.execute(f"DELETE FROM {name}")

    def make_looks_due(self) -> None:
        """Nobody waits any longer until the next look at a wallet whose payment is over."""
        self.look.execute("DELETE FROM solpay_watch")

    def rows(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        """What the simulation wants to know; an effect of nobody."""
        return self.look.execute(query, parameters).fetchall()

    def picture(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables, less what is volatile."""
        pictures = {}
        for name in self._names:
            columns = [each for each in self._columns[name] if each not in VOLATILE.get(name, set())]
            kept = _TRIED_AGAIN.get(name, "")
            rows = self.look.execute(f"SELECT {', '.join(columns)} FROM {name} {kept}").fetchall()
            pictures[name] = sorted((tuple(row) for row in rows), key=repr)
        return pictures

    def texts(self) -> str:
        """Everything in the pipeline's own tables as one text, in which no secret may be."""
        return "\n".join(
            repr(tuple(row))
            for name in self._names
            if name.startswith("solpay_")
            for row in self.look.execute(f"SELECT * FROM {name}")
        )

    def _watch(self) -> None:
        engine, writing = self.engine, set[int]()
        commit = engine.dialect.do_commit

        @sa.event.listens_for(engine, "connect")
        def _impatient(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")

        # Ours goes first: once the product's has said BEGIN, nobody else can write. SQLAlchemy has no order for that.
        product_s = list(engine.dispatch.begin)
        for listener in product_s:
            sa.event.remove(engine, "begin", listener)

        @sa.event.listens_for(engine, "begin")
        def _begin(_connection: Connection) -> None:
            process = CURRENT.get()
            if process is not None:
                process.reach("begin")

        for listener in product_s:
            sa.event.listen(engine, "begin", listener)

        @sa.event.listens_for(engine, "commit")
        def _commit(connection: Connection) -> None:
            process = CURRENT.get()
            if process is not None and not connection.get_execution_options().get("solpay_reading", False):
                process.reach("commit")
                writing.add(id(process))

        def do_commit(dbapi_connection: Any) -> None:
            commit(dbapi_connection)
            process = CURRENT.get()
            if process is not None and id(process) in writing:
                writing.discard(id(process))
                self.on_commit(process)
                process.reach("committed")

        engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
        engine.dispose()


_LONGEST_TOLD = 60


def _short(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without its long columns, sealed keys and bytes of transactions."""
    return tuple("…" if len(str(value)) > _LONGEST_TOLD else value for value in row)


def difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    told = []
    for name, rows in after.items():
        gone = [row for row in before[name] if row not in rows]
        new = [row for row in rows if row not in before[name]]
        if gone or new:
            told.append(f"{name}: {list(map(_short, gone))} became {list(map(_short, new))}")
    return "; ".join(told)[:2_000]
