"""Writes changes whose premises still hold, many in one database transaction; the others are counted as skipped."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.records.changes import ChangedUnderneath
from solpay_pipeline.records.premises import held_payments, unmoved

Item = TypeVar("Item")

# Rows changed in one database transaction: enough to make commits cheap, few enough to keep locks short.
_BATCH = 1_000


def write_unmoved(
    deployment: Deployment,
    tally: Tally,
    items: Sequence[Item],
    wallet_of: Callable[[Item], Wallet],
    write: Callable[[Connection, Sequence[Item]], None],
) -> list[Item]:
    """Write what can be written of many changes; returns those that were.

    `write` gets those of a batch whose rows are what they were read as, in the transaction that has locked them.
    """
    done: list[Item] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        # Rows that we hold do not change; only a trigger of the shop's own can keep them as they were.
        with suppress(ChangedUnderneath):
            done += _write(deployment, batch, wallet_of, write)
    if len(done) < len(items):
        tally.skipped += len(items) - len(done)
        written = {wallet_of(item).id for item in done}
        tally.locked |= _held(deployment, [one for one in map(wallet_of, items) if one.id not in written])
    return done


def _held(deployment: Deployment, skipped: Sequence[Wallet]) -> set[int]:
    """Payments that somebody else holds: they are left undone. What he has changed is as he wants it."""
    with reading(deployment.engine) as connection:
        return held_payments(connection, deployment.tables, skipped)


def _write(
    deployment: Deployment,
    batch: Sequence[Item],
    wallet_of: Callable[[Item], Wallet],
    write: Callable[[Connection, Sequence[Item]], None],
) -> list[Item]:
    with deployment.engine.begin() as connection:
        as_read = unmoved(connection, deployment.tables, [wallet_of(item) for item in batch])
        standing = [item for item in batch if wallet_of(item).id in as_read]
        if standing:
            write(connection, standing)
    return standing
