"""When each payment was last checked on chain: the longest ago goes first, so a limit starves no payment."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import upsert
from solpay_pipeline.ledger.tables import look


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


def looked_at(connection: Connection, payment_ids: Sequence[int], now: datetime) -> None:
    """Record that these payments were checked now."""
    rows = [{"payment_id": one, "looked_at": now} for one in dict.fromkeys(payment_ids)]
    upsert(connection, look, rows, key="payment_id", renewed=["looked_at"])
