"""When each payment was last looked at on chain, so that a limit starves none: longest ago goes first."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.base.sql import upsert
from solpay_pipeline.ledger.tables import look


def longest_unseen(connection: Connection, payment_ids: sa.Select[int], limit: int | None) -> list[int]:
    """Of the payments that a select names, `limit` (or all) that have waited longest; never looked at comes first."""
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
    """Remember that these payments were looked at now."""
    rows = [{"payment_id": one, "looked_at": now} for one in dict.fromkeys(payment_ids)]
    upsert(connection, look, rows, key="payment_id", renewed=["looked_at"])
