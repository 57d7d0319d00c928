"""Processes side by side on one database and one chain, and what must hold when all of them have ended."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.ledger.tables import TransactionState, leg, movement, transaction
from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.shop import Shop

SECONDS = 400
"""Long enough for a busy machine: whoever has not ended by then stands still."""


def start_ours(shop: Shop, stop: Path, workers: Sequence[Sequence[Sequence[str]]]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "solpay_pipeline_tests.beside_the_peer.together.ours",
            str(stop),
            json.dumps(workers),
        ],
        cwd=REPOSITORY,
        env=bare_environment() | shop.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_verifying(environment: dict[str, str], stop: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "solpay_pipeline_tests.beside_the_peer.together.verifying", str(stop)],
        cwd=REPOSITORY,
        env=environment | {"SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def told_by(process: "subprocess.Popen[str]") -> Any:
    """The last line of what it printed, when it has ended."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, (err or out)[-3000:]
    return json.loads(out.rstrip().splitlines()[-1])


def assert_ended_well(workers: Sequence[Sequence[dict[str, Any]]]) -> None:
    """No command broke down; those that end with 1 say in words what they leave to the next."""
    for ended in (each for worker in workers for each in worker):
        assert ended["code"] in (0, 1), ended
        assert "Traceback" not in ended["err"], ended
        assert "Error" not in ended["err"], ended


@contextmanager
def watched(shop: Shop) -> Iterator[list[tuple[int, int]]]:
    """Looks again and again for wallets with two transactions alive at once; yields what was found."""
    found: list[tuple[int, int]] = []
    over = threading.Event()
    engine = open_engine(shop.database_url)
    alive = (
        sa.select(leg.c.wallet_id, sa.func.count())
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .where(transaction.c.state == TransactionState.RECORDED)
        .group_by(leg.c.wallet_id)
        .having(sa.func.count() > 1)
    )

    def look() -> None:
        while not over.wait(0.05):
            with reading(engine) as connection:
                found.extend((row[0], row[1]) for row in connection.execute(alive))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
        engine.dispose()


def assert_nothing_was_moved_twice(shop: Shop) -> None:
    """Of all our transactions that landed no two moved the same kind of thing out of the same account."""
    query = (
        sa.select(leg.c.wallet_id, movement.c.kind, movement.c.source, sa.func.count())
        .join(leg, leg.c.id == movement.c.leg_id)
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .where(transaction.c.state.in_([TransactionState.CONFIRMED, TransactionState.FINALIZED]))
        .group_by(leg.c.wallet_id, movement.c.kind, movement.c.source)
        .having(sa.func.count() > 1)
    )
    with reading(shop.deployment.engine) as connection:
        assert connection.execute(query).all() == []


def assert_nobody_waits(shop: Shop) -> None:
    """No lock of PostgreSQL is asked for that is not granted, and no transaction stands open."""
    with shop.deployment.engine.connect() as connection:
        waiting = connection.execute(sa.text("SELECT pid FROM pg_locks WHERE NOT granted")).all()
        idle = connection.execute(
            sa.text(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
            )
        ).all()
    assert (waiting, idle) == ([], [])
