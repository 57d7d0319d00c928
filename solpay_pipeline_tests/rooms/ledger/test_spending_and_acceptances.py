"""What may be spent is counted from the ledger, and each acceptance has one owner."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger import acceptances, spending, transactions
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.spending import LimitReached, SpendingLimits
from solpay_pipeline.ledger.tables import TransactionState, acceptance
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline_tests.rooms.ledger.ground import LATER, NOON, OTHER_RUN, RUN, leg

RECORDED, FAILED = TransactionState.RECORDED, TransactionState.FAILED
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def spend(
    connection: Connection,
    signature: str,
    *,
    fee: int = 10,
    rent: int = 0,
    run: RunRef = RUN,
    at: datetime = NOON,
    end: TransactionState | None = None,
) -> None:
    entry = NewTransaction(signature, b"wire", 1, 1, "sweep", 1, fee, (), rent)
    transactions.record_all(connection, [entry], run, at)
    if end is not None:
        transactions.close(connection, signature, from_state=RECORDED, to_state=end, now=at)


def reason(
    connection: Connection, limits: SpendingLimits, *, more: int = 0, now: datetime = NOON
) -> str | None:
    try:
        spending.check(connection, limits, "run", now, more=more)
    except LimitReached as reached:
        return reached.reason
    return None


def test_without_limits_anything_may_be_spent(connection: Connection) -> None:
    spend(connection, "one", fee=10**15)
    assert reason(connection, SpendingLimits(), more=10**15) is None


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (SpendingLimits(per_run=17), "max_spent_per_run"),
        (SpendingLimits(per_day=17), "max_spent_per_day"),
        (SpendingLimits(per_run=17, per_day=16), "max_spent_per_day"),
        (SpendingLimits(per_run=16, per_day=16), "max_spent_per_run"),
    ],
)
def test_a_limit_is_reached_by_the_first_lamport_above_it(
    connection: Connection, limits: SpendingLimits, name: str
) -> None:
    spend(connection, "one", fee=10, rent=5)
    most = min(limit for limit in (limits.per_run, limits.per_day) if limit is not None)
    assert reason(connection, limits, more=most - 15) is None
    assert reason(connection, limits, more=most - 14) == name


def test_nothing_spent_is_nothing(connection: Connection) -> None:
    assert reason(connection, SpendingLimits(per_run=0, per_day=0)) is None
    assert reason(connection, SpendingLimits(per_run=0), more=1) == "max_spent_per_run"


@pytest.mark.parametrize(
    ("end", "cost"),
    [
        (None, 15),
        (TransactionState.CONFIRMED, 15),
        (TransactionState.FINALIZED, 15),
        (FAILED, 10),
        (TransactionState.REFUSED, 0),
        (TransactionState.DEAD, 0),
    ],
)
def test_what_landed_or_may_land_costs_and_what_failed_opened_no_account(
    connection: Connection, end: TransactionState | None, cost: int
) -> None:
    spend(connection, "one", fee=10, rent=5, end=end)
    for limits in (SpendingLimits(per_run=100), SpendingLimits(per_day=100)):
        assert reason(connection, limits, more=100 - cost) is None
        assert reason(connection, limits, more=101 - cost) is not None


def test_a_run_pays_for_itself_and_the_day_for_all(connection: Connection) -> None:
    spend(connection, "one", fee=10)
    spend(connection, "two", fee=20, run=OTHER_RUN)
    spend(connection, "three", fee=40, run=RunRef("run", "expire"))
    assert reason(connection, SpendingLimits(per_run=50)) is None
    assert reason(connection, SpendingLimits(per_run=49)) == "max_spent_per_run"
    assert reason(connection, SpendingLimits(per_day=70)) is None
    assert reason(connection, SpendingLimits(per_day=69)) == "max_spent_per_day"


def test_a_day_begins_at_midnight_utc_wherever_the_clock_is(connection: Connection) -> None:
    spend(connection, "yesterday", fee=100, at=MIDNIGHT - SECOND)
    spend(connection, "today", fee=10, at=MIDNIGHT)
    east = MIDNIGHT.astimezone(timezone(timedelta(hours=9)))
    for now in (MIDNIGHT, east, MIDNIGHT + timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)):
        assert reason(connection, SpendingLimits(per_day=10), now=now) is None
        assert reason(connection, SpendingLimits(per_day=9), now=now) == "max_spent_per_day"
    assert reason(connection, SpendingLimits(per_day=0), now=MIDNIGHT + timedelta(days=1)) is None


def test_the_words_name_the_limit_and_the_cost(connection: Connection) -> None:
    for limits, words in (
        (
            SpendingLimits(per_run=5),
            "the run's fees and rent would come to 7 lamports; 5 may be spent (SOLPAY_MAX_SPENT_PER_RUN)",
        ),
        (
            SpendingLimits(per_day=5),
            "the UTC day's fees and rent would come to 7 lamports; 5 may be spent (SOLPAY_MAX_SPENT_PER_DAY)",
        ),
    ):
        with pytest.raises(LimitReached) as caught:
            spending.check(connection, limits, "run", NOON, more=7)
        assert str(caught.value) == words
    spending.take_turns(connection, SpendingLimits(per_day=5))


def ids(*wanted: int) -> sa.Select[tuple[int]]:
    return sa.union_all(*(sa.select(sa.literal(one).label("id")) for one in wanted)).subquery().select()


def test_a_payment_is_claimed_once_whoever_comes_first(connection: Connection) -> None:
    assert acceptances.claim(connection, [], Source.PEER, NOON) == set()
    assert acceptances.claim(connection, [2, 1], Source.PEER, NOON) == {1, 2}
    assert acceptances.claim(connection, [2, 3], Source.PIPELINE, LATER) == {3}
    rows = connection.execute(sa.select(acceptance).order_by(acceptance.c.payment_id)).all()
    assert [tuple(row) for row in rows] == [(1, "peer", NOON), (2, "peer", NOON), (3, "pipeline", LATER)]


def test_what_was_accepted_before_the_first_run_is_taken_for_told_once(connection: Connection) -> None:
    assert not acceptances.has_begun(connection)
    acceptances.claim(connection, [2], Source.PIPELINE, NOON)
    assert not acceptances.has_begun(connection)
    acceptances.begin(connection, ids(0, 1, 2), NOON)
    assert acceptances.has_begun(connection)
    acceptances.begin(connection, ids(3), LATER)
    rows = connection.execute(sa.select(acceptance).order_by(acceptance.c.payment_id)).all()
    assert [tuple(row) for row in rows] == [
        (0, "before", NOON),
        (1, "before", NOON),
        (2, "pipeline", NOON),
    ]


def test_the_unclaimed_come_by_id_and_page_by_page(connection: Connection) -> None:
    acceptances.claim(connection, [2], Source.PEER, NOON)

    def unclaimed(after: int, limit: int = 10) -> list[int]:
        return acceptances.unclaimed(connection, ids(4, 3, 2, 1), after=after, limit=limit)

    assert unclaimed(0) == [1, 3, 4]
    assert unclaimed(0, 2) == [1, 3]
    assert unclaimed(3) == [4]
    assert unclaimed(4) == []


def test_what_landed_in_one_slot_is_closed_together_and_lets_its_wallets_go(connection: Connection) -> None:
    signatures = [f"tx {number}" for number in range(1, 7)]
    transactions.record_all(
        connection,
        [
            NewTransaction(one, b"wire", 1, 1, "sweep", 2, 10, (leg(n),))
            for n, one in enumerate(signatures, 1)
        ],
        RUN,
        NOON,
    )
    transactions.close(connection, "tx 2", from_state=RECORDED, to_state=FAILED, now=NOON)
    confirmed = TransactionState.CONFIRMED
    for slot in (1_000, None):
        transactions.close_landed(
            connection, signatures[:5], from_state=RECORDED, to_state=confirmed, slot=slot, now=LATER
        )
    states = {one.signature: one.state for one in transactions.open_transactions(connection)}
    assert states == {one: confirmed for one in signatures[:5] if one != "tx 2"} | {"tx 6": RECORDED}
    assert transactions.busy_wallets(connection, range(1, 7)) == {6}
    rows = connection.execute(
        sa.select(transactions.transaction.c.slot, transactions.transaction.c.updated_at).order_by(
            transactions.transaction.c.id
        )
    ).all()
    assert [tuple(row) for row in rows] == [
        (1_000, LATER),
        (None, NOON),
        (1_000, LATER),
        (1_000, LATER),
        (1_000, LATER),
        (None, NOON),
    ]


def test_several_transactions_are_recorded_together_or_not_at_all(connection: Connection) -> None:
    several = [
        NewTransaction(f"tx {n}", b"wire", 1, 1, "sweep", 2, 10, (leg(n),), rent_paid=n) for n in (1, 2)
    ]
    transactions.record_all(connection, several, RUN, NOON)
    assert [transactions.wallets_of(connection, f"tx {n}") for n in (1, 2)] == [[1], [2]]
    assert [
        *connection.execute(
            sa.select(transactions.transaction.c.rent_paid).order_by(transactions.transaction.c.id)
        ).scalars()
    ] == [1, 2]
    third = NewTransaction("tx 3", b"wire", 1, 1, "sweep", 2, 10, (leg(3),))
    with pytest.raises(transactions.AlreadyRecorded), connection.begin_nested():
        transactions.record_all(connection, [third, several[0]], RUN, NOON)
    again = NewTransaction("tx 4", b"wire", 1, 1, "sweep", 2, 10, (leg(1),))
    with pytest.raises(transactions.WalletBusy), connection.begin_nested():
        transactions.record_all(connection, [third, again], RUN, NOON)
    assert [one.signature for one in transactions.open_transactions(connection)] == ["tx 1", "tx 2"]
    assert transactions.busy_wallets(connection, [1, 2, 3]) == {1, 2}
