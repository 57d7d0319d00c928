"""When payments and wallets were looked at, so that a limit starves none and nobody asks twice for what was just seen.

Open payments wait in a queue, the longest unseen first. Wallets whose payment is over are looked at daily for a week,
then more and more rarely, the longest due first. Where no endpoint could tell a history, that finding is the memory of
the failed looks: each pause is as long as the time since the first of them, a day at most.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among, upsert
from solpay_pipeline.ledger.tables import finding, look, watch
from solpay_pipeline.lifecycle.findings import FindingCode

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def longest_unseen(connection: Connection, payment_ids: sa.Select[int], limit: int | None) -> list[int]:
    """The `limit` payments of a select (None: all) that have waited longest; never checked ones come first."""
    wanted = payment_ids.subquery()
    payment_id = wanted.c[0]
    query = (
        sa.select(payment_id)
        .select_from(wanted.outerjoin(look, look.c.payment_id == payment_id))
        .order_by(look.c.looked_at.is_not(None), look.c.looked_at, payment_id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def rechecked(connection: Connection, payment_ids: Sequence[int], now: datetime) -> None:
    """Record that these payments were checked now."""
    rows = [{"payment_id": one, "looked_at": now} for one in dict.fromkeys(payment_ids)]
    upsert(connection, look, rows, key="payment_id", renewed=["looked_at"])


def due_at_rest(
    connection: Connection, payments: sa.Select[int, int], now: datetime, limit: int
) -> list[int]:
    """Of the payments that a select names, each beside its wallet, `limit` that are due.

    Those never looked at come first, then those that have been due for longest.
    """
    wanted = payments.subquery()
    payment_id, wallet_id = wanted.c
    query = (
        sa.select(payment_id)
        .select_from(wanted.outerjoin(watch, watch.c.wallet_id == wallet_id))
        .where(sa.or_(watch.c.next_look_at.is_(None), watch.c.next_look_at <= now))
        .order_by(watch.c.next_look_at.is_not(None), watch.c.next_look_at, payment_id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def looked_at_rest(
    connection: Connection, over_since: Mapping[int, datetime], now: datetime, *, daily_for: timedelta
) -> None:
    """Remember that these wallets were looked at; each by since when its payment is over."""
    rows = [
        {"wallet_id": wallet_id, "next_look_at": now + pause(now - since, daily_for)}
        for wallet_id, since in over_since.items()
    ]
    upsert(connection, watch, rows, key="wallet_id", renewed=["next_look_at"])


def waiting(connection: Connection, wallet_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these wallets whose history could not be read, and that are not due to be asked for again."""
    failed = sa.select(finding.c.wallet_id, finding.c.first_seen_at, finding.c.last_seen_at).where(
        among(connection, finding.c.wallet_id, wallet_ids),
        finding.c.standing_key.is_not(None),
        finding.c.code == FindingCode.HISTORY_UNREADABLE,
    )
    return {
        row.wallet_id
        for row in connection.execute(failed)
        if now < row.last_seen_at + min(row.last_seen_at - row.first_seen_at, _DAY)
    }


def pause(age: timedelta, daily_for: timedelta) -> timedelta:
    """Until the next look: an hour on the first day, a day for a while, then twice as long each time."""
    return _HOUR if age < _DAY else max(_DAY, age - daily_for + _DAY)
