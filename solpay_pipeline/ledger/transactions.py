"""Transactions and their legs: recorded before anything is sent, closed only by what the chain says.

Every change is compare-and-set on the state that was read: where two processes settle one transaction, one applies it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from solpay_pipeline.base.errors import AboutOneRow
from solpay_pipeline.base.sql import among
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import (
    OPEN,
    MovementKind,
    Purpose,
    TransactionState,
    leg,
    movement,
    transaction,
)
from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
    OpenAccount,
    RecoverNested,
)


class WalletBusy(AboutOneRow):
    """Another leg of one of these wallets is in flight; who loses the race leaves the wallets alone."""


class AlreadyRecorded(AboutOneRow):
    """Another run has recorded the same transaction: same blockhash, same wallets or none."""


@dataclass(frozen=True, slots=True)
class NewTransaction:
    """A signed transaction, ready to be recorded.

    `fee` is what it costs if it lands, `rent_paid` what it pays into accounts that it opens, in lamports.
    """

    signature: str
    wire: bytes
    last_valid_block_height: int
    blockhash_slot: int
    purpose: Purpose
    signature_count: int
    fee: int
    legs: tuple[Leg, ...]
    rent_paid: int = 0


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that is not over yet."""

    id: int
    signature: str
    wire: bytes
    last_valid_block_height: int
    blockhash_slot: int
    state: TransactionState


def record_all(
    connection: Connection, recorded: Sequence[NewTransaction], run: RunRef, now: datetime
) -> None:
    """Write transactions with their legs and movements, all or none.

    Raises `WalletBusy` where one of their wallets has a leg in flight, and `AlreadyRecorded`; the caller's database
    transaction can then only be rolled back.
    """
    legs = [
        (transaction_id, one)
        for transaction_id, entry in zip(_insert(connection, recorded, run, now), recorded, strict=True)
        for one in entry.legs
    ]
    if not legs:
        return
    rows = [
        {"transaction_id": transaction_id, "wallet_id": one.wallet_id, "active_wallet_id": one.wallet_id}
        for transaction_id, one in legs
    ]
    try:
        connection.execute(sa.insert(leg), rows)
    except IntegrityError as error:
        raise WalletBusy(", ".join(f"wallet {one.wallet_id}" for _, one in legs)) from error
    leg_ids = _numbers(connection, leg.c.id, leg.c.active_wallet_id, [one.wallet_id for _, one in legs])
    movements = [
        {"leg_id": leg_ids[one.wallet_id], **row}
        for _, one in legs
        for action in one.actions
        for row in _movements(one.owner, action)
    ]
    connection.execute(sa.insert(movement), movements)


def busy_wallets(connection: Connection, wallet_ids: Collection[int]) -> set[int]:
    """Those of these wallets that have a leg in flight."""
    kept = leg.c.active_wallet_id
    return set(connection.scalars(sa.select(kept).where(among(connection, kept, wallet_ids))))


@dataclass(frozen=True, slots=True)
class FailuresInARow:
    """Transactions of a wallet that failed on chain, none having landed since, and when the last of them was closed."""

    count: int
    last_at: datetime


def failures_in_a_row(connection: Connection, wallet_ids: Collection[int]) -> dict[int, FailuresInARow]:
    """By wallet, for those of these wallets with any."""
    which = among(connection, leg.c.wallet_id, wallet_ids)
    joined = sa.select(leg.c.wallet_id, transaction.c.state, transaction.c.updated_at).join(
        transaction, transaction.c.id == leg.c.transaction_id
    )
    has_failed = set(
        connection.scalars(joined.where(which, transaction.c.state == TransactionState.FAILED).distinct())
    )
    found: dict[int, FailuresInARow] = {}
    if not has_failed:
        return found
    ended = joined.where(
        among(connection, leg.c.wallet_id, has_failed),
        transaction.c.state.in_((*_LANDED, TransactionState.FAILED)),
    ).order_by(transaction.c.id)
    for wallet_id, state, at in connection.execute(ended):
        before = found.pop(wallet_id, None)
        if state == TransactionState.FAILED:
            found[wallet_id] = FailuresInARow(1 + (before.count if before else 0), at)
    return found


def open_transactions(connection: Connection) -> list[OpenTransaction]:
    """All transactions that are not over, oldest first."""
    rows = connection.execute(
        sa.select(transaction).where(transaction.c.state.in_(OPEN)).order_by(transaction.c.id)
    )
    return [
        OpenTransaction(
            id=row.id,
            signature=row.signature,
            wire=row.wire,
            last_valid_block_height=row.last_valid_block_height,
            blockhash_slot=row.blockhash_slot,
            state=TransactionState(row.state),
        )
        for row in rows
    ]


def close(
    connection: Connection,
    signature: str,
    *,
    from_state: TransactionState,
    to_state: TransactionState,
    now: datetime,
    slot: int | None = None,
    error: str | None = None,
    fee: int | None = None,
) -> bool:
    """Change a transaction's state and release its wallets; False where another process was first."""
    values = {"state": to_state, "updated_at": now, "slot": slot, "error": error, "fee": fee}
    return _close(connection, transaction.c.signature == signature, from_state, values)


def close_landed(
    connection: Connection,
    signatures: Sequence[str],
    *,
    from_state: TransactionState,
    to_state: TransactionState,
    slot: int | None,
    now: datetime,
) -> None:
    """As `close`, for transactions that landed in one slot."""
    values = {"state": to_state, "updated_at": now, "slot": slot}
    _close(connection, among(connection, transaction.c.signature, signatures), from_state, values)


def hold_again(connection: Connection, signatures: Sequence[str]) -> None:
    """Let confirmed transactions that the chain no longer shows lock their wallets again until they are over.

    They may land again while their blockhash lives; until then nothing else may be signed for these wallets. A wallet
    that another leg has locked stays with that one.
    """
    rows = connection.execute(
        sa.select(leg.c.id, leg.c.wallet_id)
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .where(transaction.c.signature.in_(signatures), transaction.c.state == TransactionState.CONFIRMED)
        .order_by(leg.c.id)
    ).all()
    for leg_id, wallet_id in rows:
        try:
            with connection.begin_nested():
                connection.execute(
                    sa.update(leg).where(leg.c.id == leg_id).values(active_wallet_id=wallet_id)
                )
        except IntegrityError:
            continue


def wallets_of(connection: Connection, signature: str) -> list[int]:
    """The wallets with a leg in a transaction."""
    return list(
        connection.execute(
            sa.select(leg.c.wallet_id)
            .join(transaction, transaction.c.id == leg.c.transaction_id)
            .where(transaction.c.signature == signature)
        ).scalars()
    )


_LANDED = (TransactionState.CONFIRMED, TransactionState.FINALIZED)
_MONEY = (MovementKind.LAMPORTS, MovementKind.TOKENS)


@dataclass(frozen=True, slots=True)
class LandedMovement:
    """A movement of a transaction of ours that landed."""

    signature: str
    kind: MovementKind
    mint: str | None
    amount: int
    destination: str
    source: str

    def as_json(self) -> dict[str, object]:
        """Plain JSON; the amount is a decimal string of base units. Its source is the wallet's own affair."""
        return {
            "signature": self.signature,
            "kind": self.kind.value,
            "mint": self.mint,
            "amount": str(self.amount),
            "destination": self.destination,
        }


def landed_movements(connection: Connection, wallet_ids: Iterable[int]) -> dict[int, list[LandedMovement]]:
    """What our landed transactions have moved, by wallet, oldest first."""
    found: dict[int, list[LandedMovement]] = {wallet_id: [] for wallet_id in wallet_ids}
    rows = connection.execute(
        sa.select(
            leg.c.wallet_id,
            transaction.c.signature,
            movement.c.kind,
            movement.c.mint,
            movement.c.amount,
            movement.c.destination,
            movement.c.source,
        )
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .join(movement, movement.c.leg_id == leg.c.id)
        .where(among(connection, leg.c.wallet_id, found), transaction.c.state.in_(_LANDED))
        .order_by(movement.c.id)
    )
    for wallet_id, signature, kind, mint, amount, destination, source in rows:
        found[wallet_id].append(
            LandedMovement(signature, MovementKind(kind), mint, amount, destination, source)
        )
    return found


def newest_final(connection: Connection) -> str | None:
    """The signature of the last transaction of ours that is final: every node that is well knows it."""
    return connection.scalar(
        sa.select(transaction.c.signature)
        .where(transaction.c.state == TransactionState.FINALIZED)
        .order_by(transaction.c.id.desc())
        .limit(1)
    )


def newest_landed_movement(connection: Connection) -> LandedMovement | None:
    """The last movement of money by a transaction of ours that landed; rent from closed accounts does not count."""
    row = connection.execute(
        sa.select(
            transaction.c.signature,
            movement.c.kind,
            movement.c.mint,
            movement.c.amount,
            movement.c.destination,
            movement.c.source,
        )
        .join(leg, leg.c.transaction_id == transaction.c.id)
        .join(movement, movement.c.leg_id == leg.c.id)
        .where(transaction.c.state.in_(_LANDED), movement.c.kind.in_(_MONEY))
        .order_by(movement.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return LandedMovement(
        row.signature, MovementKind(row.kind), row.mint, row.amount, row.destination, row.source
    )


def own_among(connection: Connection, signatures: Collection[str]) -> set[str]:
    """Those of these signatures that this ledger has recorded, whatever it says became of them."""
    query = sa.select(transaction.c.signature).where(among(connection, transaction.c.signature, signatures))
    return set(connection.scalars(query))


def newest_wire(connection: Connection) -> bytes | None:
    """The bytes of the transaction that was signed last, whatever became of it."""
    newest = sa.select(transaction.c.wire).order_by(transaction.c.id.desc()).limit(1)
    wire: bytes | None = connection.scalar(newest)
    return wire


def moved_home(
    connection: Connection, wallet_ids: Collection[int], *, states: Collection[TransactionState] = _LANDED
) -> dict[int, dict[Pubkey | None, int]]:
    """What our landed transactions have moved home, base units by mint (None: lamports), of wallets with any.

    Rent from closed accounts does not count. `states` are those of the transactions that do.
    """
    found: dict[int, dict[Pubkey | None, int]] = {}
    rows = connection.execute(
        sa.select(leg.c.wallet_id, movement.c.mint, sa.func.sum(movement.c.amount))
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .join(movement, movement.c.leg_id == leg.c.id)
        .where(
            among(connection, leg.c.wallet_id, wallet_ids),
            transaction.c.state.in_(states),
            movement.c.kind.in_(_MONEY),
        )
        .group_by(leg.c.wallet_id, movement.c.mint)
    )
    for wallet_id, mint, amount in rows:
        asset = None if mint is None else Pubkey.from_string(mint)
        found.setdefault(wallet_id, {})[asset] = int(amount)
    return found


def _close(
    connection: Connection,
    which: sa.ColumnElement[bool],
    from_state: TransactionState,
    values: Mapping[str, object],
) -> bool:
    """Set the `values` that are not None, and release the wallets; False where there was no such transaction."""
    known = {name: value for name, value in values.items() if value is not None}
    changed = (
        sa.update(transaction)
        .where(which, transaction.c.state == from_state)
        .values(known)
        .returning(transaction.c.id)
    )
    ids = connection.scalars(changed).all()
    if ids:
        released = sa.update(leg).where(among(connection, leg.c.transaction_id, ids))
        connection.execute(released.values(active_wallet_id=None))
    return bool(ids)


def _insert(
    connection: Connection, recorded: Sequence[NewTransaction], run: RunRef, now: datetime
) -> Sequence[int]:
    rows = [
        {
            "signature": entry.signature,
            "wire": entry.wire,
            "last_valid_block_height": entry.last_valid_block_height,
            "blockhash_slot": entry.blockhash_slot,
            "state": TransactionState.RECORDED,
            "purpose": entry.purpose,
            "operation": run.operation,
            "run_id": run.run_id,
            "signature_count": entry.signature_count,
            "fee": entry.fee,
            "rent_paid": entry.rent_paid,
            "created_at": now,
            "updated_at": now,
        }
        for entry in recorded
    ]
    signatures = [entry.signature for entry in recorded]
    try:
        connection.execute(sa.insert(transaction), rows)
    except IntegrityError as error:
        raise AlreadyRecorded(", ".join(signatures)) from error
    ids = _numbers(connection, transaction.c.id, transaction.c.signature, signatures)
    return [ids[signature] for signature in signatures]


def _numbers(
    connection: Connection, number: sa.Column[int], key: sa.Column[Any], keys: Collection[Any]
) -> dict[Any, int]:
    """The ids of new rows, by a unique column: SQLite returns them for one row a statement only."""
    rows = connection.execute(sa.select(key, number).where(among(connection, key, keys))).all()
    return {row[0]: row[1] for row in rows}


def _movements(owner: Pubkey, action: Action) -> list[dict[str, object]]:
    """What an action moves out of the wallet and its accounts, as rows.

    Opening an account moves nothing of the wallet's, and tokens that are recovered stay in it.
    """
    match action:
        case MoveLamports():
            return [_row(MovementKind.LAMPORTS, action.lamports, owner, action.destination)]
        case MoveTokens():
            return [_row(MovementKind.TOKENS, action.amount, action.source, action.destination, action.mint)]
        case HarvestWithheld():
            return [_row(MovementKind.WITHHELD, action.amount, action.account, action.mint, action.mint)]
        case CloseAccount() | RecoverNested():
            rent = _row(MovementKind.RENT, action.lamports, action.account, action.rent_to)
            if action.funds_to is None:
                return [rent]
            return [rent, _row(MovementKind.LAMPORTS, action.funds, action.account, action.funds_to)]
        case OpenAccount():
            return []


def _row(
    kind: MovementKind, amount: int, source: Pubkey, destination: Pubkey, mint: Pubkey | None = None
) -> dict[str, object]:
    return {
        "kind": kind,
        "mint": None if mint is None else str(mint),
        "amount": amount,
        "source": str(source),
        "destination": str(destination),
    }
