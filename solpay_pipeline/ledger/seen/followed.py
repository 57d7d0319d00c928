"""Acceptances on their way to finality: what a customer's transfer paid, until it is final or a fork has taken it back.

Every change is compare-and-set on the state: of two runs that see one end, one writes it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among, upsert
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.tables import FollowState, followed

_NOT_FINAL = followed.c.state.in_([FollowState.OPEN, FollowState.REVERTED])


@dataclass(frozen=True, slots=True)
class Paid:
    """What an acceptance rests on: `amount` base units of `mint` (None: lamports) came in by `seen_slot`.

    `signature` is the transfer that completed the price, None where nobody has named it.
    """

    payment_id: int
    wallet_id: int
    address: Pubkey
    source: Source
    signature: str | None
    mint: Pubkey | None
    amount: int
    seen_slot: int

    @property
    def is_known(self) -> bool:
        """Whether there is anything to follow: a named transfer, or money that was seen."""
        return self.signature is not None or self.amount > 0


@dataclass(frozen=True, slots=True)
class Followed:
    """An acceptance that is not known to be final."""

    id: int
    paid: Paid
    state: FollowState


def begin(
    connection: Connection, paid: Sequence[Paid], state: FollowState, run_id: str, now: datetime
) -> set[Pubkey]:
    """Follow these acceptances from `state` on; returns the addresses of those that were not final before.

    One that is followed already begins again with what it rests on now. This run, which has just seen them paid, does
    not follow them up. The caller has locked the payments' rows.
    """
    addresses = [str(one.address) for one in paid]
    over = set(
        connection.scalars(
            sa.select(followed.c.payment_address).where(
                among(connection, followed.c.payment_address, addresses), ~_NOT_FINAL
            )
        )
    )
    fresh = [one for one in paid if str(one.address) not in over]
    rows = [
        {
            "payment_address": str(one.address),
            "payment_id": one.payment_id,
            "wallet_id": one.wallet_id,
            "source": one.source,
            "signature": one.signature,
            "mint": None if one.mint is None else str(one.mint),
            "amount": one.amount,
            "seen_slot": one.seen_slot,
            "state": state,
            "asked_in": run_id,
            "changed_at": now,
        }
        for one in fresh
    ]
    renewed = [name for name in (rows[0] if rows else ()) if name != "payment_address"]
    upsert(connection, followed, rows, key="payment_address", renewed=renewed)
    return {one.address for one in fresh}


def page(
    connection: Connection, run_id: str, *, after: int, limit: int, payment_ids: Collection[int] | None = None
) -> list[Followed]:
    """The next acceptances after the id `after` that are not final and that this run has not followed up.

    Where `payment_ids` are given, those of these payments alone.
    """
    query = sa.select(followed).where(
        _NOT_FINAL, followed.c.id > after, followed.c.asked_in.is_distinct_from(run_id)
    )
    if payment_ids is not None:
        query = query.where(among(connection, followed.c.payment_id, payment_ids))
    rows = connection.execute(query.order_by(followed.c.id).limit(limit))
    return [
        Followed(
            row.id,
            Paid(
                payment_id=row.payment_id,
                wallet_id=row.wallet_id,
                address=Pubkey.from_string(row.payment_address),
                source=Source(row.source),
                signature=row.signature,
                mint=None if row.mint is None else Pubkey.from_string(row.mint),
                amount=row.amount,
                seen_slot=row.seen_slot,
            ),
            FollowState(row.state),
        )
        for row in rows
    ]


def asked(connection: Connection, ids: Collection[int], run_id: str) -> None:
    """Keep that this run has followed these up."""
    connection.execute(
        sa.update(followed).where(among(connection, followed.c.id, ids)).values(asked_in=run_id)
    )


def end(connection: Connection, ids: Collection[int], state: FollowState, now: datetime) -> set[int]:
    """Move acceptances to `state`; returns those that this call has moved."""
    if not ids:
        return set()
    changed = connection.scalars(
        sa.update(followed)
        .where(among(connection, followed.c.id, ids), _NOT_FINAL, followed.c.state != state)
        .values(state=state, changed_at=now)
        .returning(followed.c.id)
    )
    return set(changed)


def go_on(connection: Connection, one: Followed, signature: str, seen_slot: int, now: datetime) -> bool:
    """Follow another transfer, or the same one that has landed again; False where the acceptance is final by now."""
    changed = connection.execute(
        sa.update(followed)
        .where(followed.c.id == one.id, _NOT_FINAL)
        .values(signature=signature, seen_slot=seen_slot, state=FollowState.OPEN, changed_at=now)
    )
    return changed.rowcount == 1


def forget(connection: Connection, ids: Collection[int]) -> None:
    """Follow these no longer: nobody takes their payments for paid any more."""
    connection.execute(sa.delete(followed).where(among(connection, followed.c.id, ids), _NOT_FINAL))


def received(connection: Connection, addresses: Iterable[Pubkey]) -> dict[Pubkey, tuple[Pubkey | None, int]]:
    """What had come in of the token that was paid when a payment was accepted, base units, by the payment's address."""
    rows = connection.execute(
        sa.select(followed.c.payment_address, followed.c.mint, followed.c.amount).where(
            among(connection, followed.c.payment_address, [str(one) for one in addresses])
        )
    )
    return {
        Pubkey.from_string(address): (None if mint is None else Pubkey.from_string(mint), amount)
        for address, mint, amount in rows
    }


def states(connection: Connection, addresses: Iterable[Pubkey]) -> dict[Pubkey, FollowState]:
    """How far acceptances are, of those that are not final, by the payment's address."""
    rows = connection.execute(
        sa.select(followed.c.payment_address, followed.c.state).where(
            among(connection, followed.c.payment_address, [str(one) for one in addresses]), _NOT_FINAL
        )
    )
    return {Pubkey.from_string(address): FollowState(state) for address, state in rows}
