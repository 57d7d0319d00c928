"""Claims: one deliverer an event, the order of a payment kept, and nothing lost to one that died."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger import deliveries, outbox
from solpay_pipeline.ledger.deliveries import Claimed, Ending
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.tables import delivery, event
from solpay_pipeline_tests.rooms.ledger.ground import LATER, NOON, RUN

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


def tell(connection: Connection, *payment_ids: int | None) -> list[str]:
    """Events, one for each of these payments; returns their ids."""
    before = connection.execute(sa.select(sa.func.count()).select_from(event)).scalar_one()
    outbox.append(
        connection, [Event(EventKind.PAYMENT_HELD, one, one, {"of": one}) for one in payment_ids], RUN, NOON
    )
    ids = connection.execute(sa.select(event.c.event_id).order_by(event.c.id)).scalars()
    return list(ids)[before:]


def claim(
    connection: Connection, sink: str = "web", *, at: timedelta = SECOND * 0, limit: int = 10
) -> list[Claimed]:
    return deliveries.claim(connection, sink, now=NOON + at, lease=LEASE, limit=limit)


def enrolled(connection: Connection, *payment_ids: int | None, sink: str = "web") -> list[Claimed]:
    """Events of these payments, all claimed."""
    tell(connection, *payment_ids)
    deliveries.enroll(connection, sink, NOON, 10)
    return claim(connection, sink)


def payments(claimed: Sequence[Claimed]) -> list[int | None]:
    return [one.payment_id for one in claimed]


def test_a_sink_enrolls_for_what_it_has_not_yet_oldest_first(connection: Connection) -> None:
    tell(connection, 1, 2, 3)
    assert deliveries.enroll(connection, "web", NOON, 2) == 2
    assert payments(claim(connection)) == [1, 2]
    assert deliveries.enroll(connection, "web", NOON, 2) == 1
    assert deliveries.enroll(connection, "web", NOON, 2) == 0
    assert deliveries.enroll(connection, "mail", NOON, 10) == 3
    connection.execute(sa.delete(delivery))
    connection.execute(sa.update(event).where(event.c.id == 1).values(delivered_at=NOON))
    connection.execute(sa.update(event).where(event.c.id == 2).values(dead_at=NOON))
    assert deliveries.enroll(connection, "web", NOON, 10) == 1


def test_a_claim_has_all_that_is_to_be_sent(connection: Connection) -> None:
    [event_id] = tell(connection, 11)
    deliveries.enroll(connection, "web", NOON, 10)
    [one] = claim(connection)
    assert one == Claimed(1, one.claim, 0, None, event_id, "payment.held", 11, {"of": 11}, created_at=NOON)


def test_what_is_claimed_is_nobody_elses_until_the_claim_runs_out(connection: Connection) -> None:
    [first] = enrolled(connection, 1)
    assert claim(connection, at=LEASE) == []
    [second] = claim(connection, at=LEASE + SECOND)
    assert (second.row, second.event_id) == (first.row, first.event_id)
    assert second.claim != first.claim
    assert not deliveries.end(connection, first, Ending.TAKEN, NOON)
    assert not deliveries.postpone(connection, first, error="no", next_attempt_at=NOON, remaining=None)
    assert not deliveries.release(connection, first)
    assert deliveries.end(connection, second, Ending.TAKEN, NOON)


def test_a_sink_claims_its_own_rows_and_no_more_than_it_asks_for(connection: Connection) -> None:
    tell(connection, 1, 2, 3)
    for sink in ("web", "mail"):
        deliveries.enroll(connection, sink, NOON, 10)
    assert payments(claim(connection, "web", limit=2)) == [1, 2]
    assert payments(claim(connection, "web")) == [3]
    assert payments(claim(connection, "mail")) == [1, 2, 3]
    assert claim(connection, "nobody") == []


def test_of_one_payment_only_the_oldest_open_event_can_be_claimed(connection: Connection) -> None:
    [first, stranger] = enrolled(connection, 1, 1, 2)
    assert payments([first, stranger]) == [1, 2]
    assert claim(connection) == []
    deliveries.end(connection, first, Ending.DEAD, NOON, "gone")
    assert payments(claim(connection)) == [1]


def test_events_of_no_payment_wait_for_none(connection: Connection) -> None:
    assert payments(enrolled(connection, None, None)) == [None, None]


def test_one_sinks_open_event_holds_up_no_other_sink(connection: Connection) -> None:
    tell(connection, 1, 1)
    for sink in ("web", "mail"):
        deliveries.enroll(connection, sink, NOON, 10)
    [one] = claim(connection, "web")
    deliveries.end(connection, one, Ending.TAKEN, NOON)
    assert len(claim(connection, "web")) == 1
    [still_first] = claim(connection, "mail")
    assert still_first.event_id == one.event_id


def test_a_failed_try_comes_again_when_it_is_due_with_what_is_left_of_it(connection: Connection) -> None:
    [one] = enrolled(connection, 1)
    assert deliveries.postpone(
        connection, one, error="no", next_attempt_at=NOON + SECOND, remaining=["b", "c"]
    )
    assert claim(connection) == []
    [again] = claim(connection, at=SECOND)
    assert (again.attempts, again.remaining) == (1, ("b", "c"))
    assert deliveries.postpone(connection, again, error="no", next_attempt_at=NOON, remaining=None)
    [third] = claim(connection)
    assert (third.attempts, third.remaining) == (2, None)
    row = connection.execute(sa.select(delivery)).one()
    assert (row.last_error, row.ended_at, row.outcome) == ("no", None, None)


def test_a_claim_given_back_counts_no_try(connection: Connection) -> None:
    [one] = enrolled(connection, 1)
    assert deliveries.release(connection, one)
    [again] = claim(connection)
    assert (again.attempts, again.row) == (0, one.row)


@pytest.mark.parametrize(("ending", "left"), [(Ending.TAKEN, None), (Ending.DEAD, ["b"])])
def test_what_ended_is_written_down_and_never_claimed_again(
    connection: Connection, ending: Ending, left: list[str] | None
) -> None:
    [one] = enrolled(connection, 1)
    deliveries.postpone(connection, one, error="no", next_attempt_at=NOON, remaining=["b"])
    [again] = claim(connection)
    assert deliveries.end(connection, again, ending, LATER, "at last")
    row = connection.execute(sa.select(delivery)).one()
    assert (row.attempts, row.outcome, row.ended_at) == (2, ending, LATER)
    assert (row.last_error, row.remaining, row.claim, row.claimed_until) == ("at last", left, None, None)
    assert claim(connection, at=LEASE * 9) == []


def ends(connection: Connection) -> list[tuple[bool, bool]]:
    rows = connection.execute(sa.select(event.c.delivered_at, event.c.dead_at).order_by(event.c.id))
    return [(row.delivered_at is not None, row.dead_at is not None) for row in rows]


def test_an_event_is_delivered_when_all_have_taken_it_and_dead_when_all_have_ended(
    connection: Connection,
) -> None:
    fates = {
        "web": (Ending.TAKEN, Ending.TAKEN, Ending.DEAD, Ending.TAKEN),
        "mail": (Ending.TAKEN, Ending.DEAD, Ending.DEAD, None),
    }
    tell(connection, 1, 2, 3, 4)
    for sink, endings in fates.items():
        deliveries.enroll(connection, sink, NOON, 10)
        for one, ending in zip(claim(connection, sink), endings, strict=True):
            if ending is not None:
                deliveries.end(connection, one, ending, NOON)
    deliveries.close_events(connection, ["web", "mail"], LATER)
    assert ends(connection) == [(True, False), (False, True), (False, True), (False, False)]
    moments = connection.execute(sa.select(event.c.delivered_at, event.c.dead_at)).all()
    assert {moment for row in moments for moment in row} == {None, LATER}
    deliveries.close_events(connection, ["web"], LATER)
    assert ends(connection) == [(True, False), (True, False), (False, True), (True, False)]


def test_closing_again_keeps_the_first_moment(connection: Connection) -> None:
    for one, ending in zip(enrolled(connection, 1, 2), (Ending.TAKEN, Ending.DEAD), strict=True):
        deliveries.end(connection, one, ending, NOON)
    for moment in (NOON, LATER):
        deliveries.close_events(connection, ["web"], moment)
    rows = connection.execute(sa.select(event.c.delivered_at, event.c.dead_at).order_by(event.c.id)).all()
    assert [tuple(row) for row in rows] == [(NOON, None), (None, NOON)]


def test_something_is_due_while_a_sink_has_something_to_take(connection: Connection) -> None:
    def is_due(*sinks: str, at: timedelta = SECOND * 0) -> bool:
        return deliveries.is_due(connection, sinks, NOON + at)

    assert not is_due("web")
    tell(connection, 1)
    assert is_due("web")
    assert not is_due()
    deliveries.enroll(connection, "web", NOON, 10)
    assert is_due("web")
    [one] = claim(connection)
    assert not is_due("web")
    assert is_due("web", "mail")
    deliveries.postpone(connection, one, error="no", next_attempt_at=NOON + SECOND, remaining=None)
    assert not is_due("web")
    assert is_due("web", at=SECOND)
    connection.execute(sa.update(event).values(delivered_at=NOON))
    assert not is_due("mail")
    connection.execute(sa.update(event).values(delivered_at=None, dead_at=NOON))
    assert not is_due("mail")


def test_open_deliveries_are_counted_by_sink(connection: Connection) -> None:
    first, _second = enrolled(connection, 1, 2)
    deliveries.enroll(connection, "mail", NOON, 10)
    deliveries.end(connection, first, Ending.TAKEN, NOON)
    assert deliveries.open_counts(connection, ["web", "mail", "new"]) == {"web": 1, "mail": 2, "new": 0}
    assert deliveries.open_counts(connection, ["web"]) == {"web": 1}
