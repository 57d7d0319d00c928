"""A wallet whose payment is over is looked at daily for a week, then ever more rarely, and never for the last time."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from solpay_pipeline.ledger.seen import looks

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def wallets(*ids: int) -> sa.Select[int, int]:
    """Payments beside their wallets, each with the id of its wallet."""
    rows = (sa.select(sa.literal(one).label("payment"), sa.literal(one).label("wallet")) for one in ids)
    listed = sa.union_all(*rows).subquery()
    return sa.select(listed.c.payment, listed.c.wallet)


def test_who_was_never_looked_at_comes_first_and_then_the_longest_due(connection):
    for wallet_id, days in ((1, 3), (2, 9), (3, 2)):
        looks.looked_at_rest(connection, {wallet_id: NOW - 10 * DAY}, NOW - days * DAY, daily_for=WEEK)
    assert looks.due_at_rest(connection, wallets(1, 2, 3, 4), NOW + DAY, 10) == [4, 2, 1, 3]
    assert looks.due_at_rest(connection, wallets(1, 2, 3, 4), NOW + DAY, 2) == [4, 2]


def test_who_was_just_looked_at_is_not_due(connection):
    looks.looked_at_rest(connection, {1: NOW - DAY}, NOW, daily_for=WEEK)
    assert looks.due_at_rest(connection, wallets(1), NOW, 10) == []
    assert looks.due_at_rest(connection, wallets(1), NOW + DAY, 10) == [1]


def test_looks_grow_rarer_and_never_end():
    at, count = timedelta(0), 0
    while at < 5 * 365 * DAY:
        at += looks.pause(at, WEEK)
        count += 1
    assert count == 24 + 6 + 11
    assert looks.pause(timedelta(0), WEEK) == timedelta(hours=1)
    assert looks.pause(DAY, WEEK) == looks.pause(WEEK, WEEK) == DAY
