"""When wallets whose payment is over are looked at again: at least daily at first, then more and more rarely.

Looks are remembered, so that a run does not ask again what an earlier one has just seen; oldest due first, so that a
budget of looks starves none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import upsert
from solpay_pipeline.ledger.tables import watch

_DAY = timedelta(days=1)


def due(connection: Connection, wallet_ids: sa.Select[int], now: datetime, limit: int) -> list[int]:
    """Of the wallets that a select names, `limit` that are due: those never looked at first, then the longest due."""
    wanted = wallet_ids.subquery()
    wallet_id = wanted.c[0]
    query = (
        sa.select(wallet_id)
        .select_from(wanted.outerjoin(watch, watch.c.wallet_id == wallet_id))
        .where(sa.or_(watch.c.next_look_at.is_(None), watch.c.next_look_at <= now))
        .order_by(watch.c.next_look_at.is_not(None), watch.c.next_look_at, wallet_id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def looked_at(
    connection: Connection, over_since: Mapping[int, datetime], now: datetime, *, daily_for: timedelta
) -> None:
    """Remember that these wallets were looked at; each by since when its payment is over."""
    rows = [
        {"wallet_id": wallet_id, "next_look_at": now + pause(now - since, daily_for)}
        for wallet_id, since in over_since.items()
    ]
    upsert(connection, watch, rows, key="wallet_id", renewed=["next_look_at"])


def pause(age: timedelta, daily_for: timedelta) -> timedelta:
    """Until the next look: a day while a payment is young, then twice as long each time, without an end."""
    return max(_DAY, age - daily_for + _DAY)


def forget(connection: Connection, wallet_ids: Sequence[int]) -> None:
    """Look again at once: something has changed."""
    connection.execute(sa.delete(watch).where(watch.c.wallet_id.in_(list(wallet_ids))))
