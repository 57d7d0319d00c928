"""Changes of the peer's rows by compare-and-set: a row that has changed since it was read is left alone.

Each works in the caller's transaction and returns what it really changed: a lost race is an id missing from the answer,
not an error.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from solpay_pipeline.base.errors import AboutOneRow
from solpay_pipeline.base.sql import among
from solpay_pipeline.lifecycle.terms import PaymentOption, PaymentStatus, Wallet, WalletState
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.records.vault import Sealed


class ChangedUnderneath(AboutOneRow):
    """A row is not what a decision about it rests on; the caller's transaction is void."""


def change_wallets(
    connection: Connection,
    tables: PeerTables,
    wallet_ids: Collection[int],
    *,
    from_state: WalletState,
    to_state: WalletState,
    receiver_address: str | None = None,
    now: datetime,
) -> set[int]:
    """Move wallets from one state to another; returns the ids of those that were in `from_state`.

    `receiver_address` changes only where it is given. `now` is aware.
    """
    wallet = tables.wallet
    values: dict[str, Any] = {"state": to_state.value, "updated": now}
    if receiver_address is not None:
        values["receiver_address"] = receiver_address
    changed = connection.scalars(
        update(wallet)
        .where(among(connection, wallet.c.id, wallet_ids), wallet.c.state == from_state.value)
        .values(values)
        .returning(wallet.c.id)
    )
    return set(changed.all())


def change_payments(
    connection: Connection,
    tables: PeerTables,
    payment_ids: Collection[int],
    *,
    from_status: PaymentStatus,
    to_status: PaymentStatus,
    now: datetime,
) -> set[int]:
    """Move payments from one status to another; returns the ids of those that had `from_status`."""
    payment = tables.payment
    changed = connection.scalars(
        update(payment)
        .where(among(connection, payment.c.id, payment_ids), payment.c.status == from_status.value)
        .values(status=to_status.value, updated=now)
        .returning(payment.c.id)
    )
    return set(changed.all())


def set_wallets(
    connection: Connection,
    tables: PeerTables,
    wallets: Iterable[Wallet],
    state: WalletState,
    now: datetime,
    receiver_address: str | None = None,
) -> None:
    """Move wallets to `state`, each from the one it was read in. Raises `ChangedUnderneath` where one is not in it."""
    by_state: dict[WalletState, set[int]] = {}
    for wallet in wallets:
        by_state.setdefault(wallet.state, set()).add(wallet.id)
    for from_state, ids in by_state.items():
        changed = change_wallets(
            connection,
            tables,
            ids,
            from_state=from_state,
            to_state=state,
            receiver_address=receiver_address,
            now=now,
        )
        if changed != ids:
            raise ChangedUnderneath


@dataclass(frozen=True, slots=True)
class PaidPayment:
    """A payment as it was read, and what paid it; `option` is None where it was no token of the shop."""

    payment_id: int
    from_status: PaymentStatus
    signature: str | None
    option: PaymentOption | None


def accept_payments(
    connection: Connection,
    tables: PeerTables,
    paid: Sequence[PaidPayment],
    *,
    to_status: PaymentStatus,
    now: datetime,
) -> bool:
    """Give payments their status, signature and paid token; False where one no longer had its `from_status`.

    The others are changed all the same: the caller keeps or rolls them back.
    """
    payment, token = tables.payment, tables.token
    # The offer that was paid may name a token whose row the shop has deleted since, or given another mint.
    still_there = (
        select(token.c.id)
        .where(
            token.c.id == bindparam("by_token"),
            func.coalesce(token.c.mint_address, "") == bindparam("by_mint"),
        )
        .scalar_subquery()
    )
    statement = (
        update(payment)
        .where(payment.c.id == bindparam("read_id"), payment.c.status == bindparam("read_status"))
        .values(
            status=to_status.value,
            signature=bindparam("by_signature"),
            paid_token_id=still_there,
            updated=now,
        )
    )
    rows = [
        {
            "read_id": one.payment_id,
            "read_status": one.from_status.value,
            "by_signature": one.signature,
            "by_token": one.option and one.option.token_id,
            "by_mint": str((one.option and one.option.mint) or ""),
        }
        for one in paid
    ]
    return connection.execute(statement, rows).rowcount == len(rows)


def replace_sealed(
    connection: Connection, tables: PeerTables, sealed: Sealed, *, renewed: str, now: datetime
) -> bool:
    """Replace `sealed` by a keypair that was sealed again; False where the row holds another by now."""
    wallet = tables.wallet
    changed = connection.scalars(
        update(wallet)
        .where(wallet.c.id == sealed.wallet_id, wallet.c.keypair_json == sealed.content)
        .values(keypair_json=renewed, updated=now)
        .returning(wallet.c.id)
    )
    return changed.one_or_none() is not None
