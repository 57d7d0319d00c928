"""Reads what decisions rest on once more, within the transaction that writes what was decided.

On PostgreSQL all rows that are read stay locked until it ends: payments and wallets for us alone, which also keeps
prices from being added to them; prices and tokens against changes. A row that another process has locked is passed
over: a process that never waits is in no deadlock with a shop. On SQLite the transaction began with a lock of the
whole database.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from solpay_pipeline.base.sql import among
from solpay_pipeline.lifecycle.premises import Premises
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.records.changes import ChangedUnderneath
from solpay_pipeline.records.queries import read_wallets, wallets_and_payments
from solpay_pipeline.records.tables import PeerTables


def unmoved(connection: Connection, tables: PeerTables, wallets: Sequence[Wallet]) -> set[int]:
    """Those of these wallets, by id, of which the rows are what they were read as; they stay so for this transaction.

    A wallet whose rows another process holds is none of them, since it may be changing them.
    """
    if not wallets:
        return set()
    read = [Premises.of(wallet) for wallet in wallets]
    now = lock_premises(connection, tables, [one.payment_id for one in read])
    return {one.wallet_id for one in read if now.get(one.payment_id) == one}


def held_payments(connection: Connection, tables: PeerTables, wallets: Sequence[Wallet]) -> set[int]:
    """The payments of those of these wallets, none of them `unmoved`, whose rows are as they were read all the same.

    Another process holds one of them then. On SQLite nobody can hold some rows alone.
    """
    if connection.dialect.name != "postgresql" or not wallets:
        return set()
    read = {one.payment_id: one for one in map(Premises.of, wallets)}
    query = wallets_and_payments(tables).where(among(connection, tables.payment.c.id, read))
    found = [one for one in read_wallets(connection, tables, query) if isinstance(one, Wallet)]
    now = [Premises.of(one) for one in found if one.payment is not None]
    return {one.payment_id for one in now if one == read[one.payment_id]}


def require_unmoved(connection: Connection, tables: PeerTables, wallets: Sequence[Wallet]) -> None:
    """Raises `ChangedUnderneath` where one of these wallets is not `unmoved`."""
    if unmoved(connection, tables, wallets) != {wallet.id for wallet in wallets}:
        raise ChangedUnderneath


def lock_premises(
    connection: Connection, tables: PeerTables, payment_ids: Collection[int]
) -> dict[int, Premises]:
    """The premises of these payments by payment id, as their rows are now; two queries, whatever their number.

    Left out are payments that are gone, unreadable, without a wallet, or locked by another process.
    """
    query = (
        wallets_and_payments(tables)
        .where(among(connection, tables.payment.c.id, payment_ids))
        .with_for_update(of=[tables.payment, tables.wallet], skip_locked=True)
    )
    found = read_wallets(connection, tables, query, are_locked=True)
    return {
        wallet.payment.id: Premises.of(wallet)
        for wallet in found
        if isinstance(wallet, Wallet) and wallet.payment is not None
    }
