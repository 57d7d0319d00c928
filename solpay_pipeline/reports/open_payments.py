"""The age of open payments: how many wait for their money at the end of a day, and for how long.

What was open then is told by today's rows and our events, so the report of a day can be made again at any time. Of a
payment that the peer settled, the row's last change counts as the moment.
"""

from datetime import datetime, timedelta

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.tables import event
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.reports.window import Window

# Half an hour is how long the peer lets a payment live; a day is how long one may stay unnoticed before it hurts.
_BOUNDS = (
    ("under 10 minutes", timedelta(minutes=10)),
    ("10 to 30 minutes", timedelta(minutes=30)),
    ("30 minutes to 2 hours", timedelta(hours=2)),
    ("2 hours to 1 day", timedelta(days=1)),
    ("1 to 7 days", timedelta(days=7)),
)
_OLDEST = "over 7 days"

_ENDED = (EventKind.PAYMENT_ACCEPTED, EventKind.PAYMENT_EXPIRED)


def open_payments(connection: Connection, tables: PeerTables, window: Window, now: datetime) -> pd.DataFrame:
    """One row for each age: `payments` that were open at the window's end, and `overdue`, those past their time."""
    as_of = window.as_of(now)
    payment = tables.payment
    ended = sa.exists().where(
        event.c.payment_id == payment.c.id, event.c.kind.in_(_ENDED), event.c.created_at < as_of
    )
    rows = connection.execute(
        sa.select(payment.c.created, payment.c.expiration_date).where(
            payment.c.created < as_of,
            sa.or_(
                payment.c.status == PaymentStatus.INITIATED.value,
                sa.and_(payment.c.updated >= as_of, ~ended),
            ),
        )
    )
    labels = [*(label for label, _ in _BOUNDS), _OLDEST]
    counts = {label: [0, 0] for label in labels}
    for created, expires in rows:
        # A time that Django could not have written is none; the operations set such a row aside.
        if created is None or expires is None:
            continue
        of_age = counts[_label(as_of - created)]
        of_age[0] += 1
        of_age[1] += expires <= as_of
    return pd.DataFrame(
        [{"age": label, "payments": counts[label][0], "overdue": counts[label][1]} for label in labels],
        columns=["age", "payments", "overdue"],
    )


def _label(age: timedelta) -> str:
    return next((label for label, bound in _BOUNDS if age < bound), _OLDEST)
