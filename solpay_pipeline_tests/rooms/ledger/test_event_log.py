"""The outbox as an operator sees it, and what he may have sent again."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger import deliveries, event_log
from solpay_pipeline.ledger.deliveries import Ending
from solpay_pipeline.ledger.event_log import DeliveryRecord, EventRecord, EventState
from solpay_pipeline.ledger.tables import delivery, event
from solpay_pipeline_tests.rooms.ledger.ground import LATER, NOON
from solpay_pipeline_tests.rooms.ledger.test_deliveries import claim, tell

WAITING, DELIVERED, DEAD = EventState


@pytest.fixture
def told(connection: Connection) -> list[str]:
    """Events of the payments 1 to 4: delivered, dead, being sent, and not enrolled by the only sink."""
    ids = tell(connection, 1, 2, 3)
    deliveries.enroll(connection, "web", NOON, 10)
    first, second, _third = claim(connection)
    deliveries.end(connection, first, Ending.TAKEN, NOON)
    deliveries.end(connection, second, Ending.DEAD, LATER, "it said no")
    deliveries.close_events(connection, ["web"], LATER)
    return ids + tell(connection, 4)


def states(connection: Connection) -> list[EventState]:
    return [one.state for one in event_log.records(connection)]


def test_every_event_has_its_state_and_what_became_of_it_at_each_sink(
    connection: Connection, told: list[str]
) -> None:
    assert states(connection) == [DELIVERED, DEAD, WAITING, WAITING]
    dead = event_log.records(connection)[1]
    record = DeliveryRecord("web", 1, NOON, "it said no", LATER, "dead")
    assert dead == EventRecord(
        told[1], "payment.held", 2, 2, {"of": 2}, "sweep", "run", NOON, DEAD, (record,)
    )
    assert dead.as_json() == {
        "id": told[1],
        "type": "payment.held",
        "payment_id": 2,
        "wallet_id": 2,
        "operation": "sweep",
        "run_id": "run",
        "created_at": NOON.isoformat(),
        "state": "dead",
        "deliveries": [
            {
                "sink": "web",
                "outcome": "dead",
                "attempts": 1,
                "next_attempt_at": None,
                "ended_at": LATER.isoformat(),
                "last_error": "it said no",
            }
        ],
        "data": {"of": 2},
    }
    waiting = event_log.records(connection)[2].as_json()["deliveries"]
    assert waiting == [
        {
            "sink": "web",
            "outcome": "waiting",
            "attempts": 0,
            "next_attempt_at": NOON.isoformat(),
            "ended_at": None,
            "last_error": None,
        }
    ]
    assert event_log.records(connection)[3].deliveries == ()


def test_records_are_chosen_by_state_id_and_payment_and_the_newest_are_shown(
    connection: Connection, told: list[str]
) -> None:
    def found(**which: object) -> list[str]:
        return [one.event_id for one in event_log.records(connection, **which)]

    assert found() == told
    assert found(limit=2) == told[2:]
    assert found(states=[WAITING]) == told[2:]
    assert found(states=[DELIVERED, DEAD]) == told[:2]
    assert found(event_ids=[told[3], told[0]]) == [told[0], told[3]]
    assert found(event_ids=[]) == []
    assert found(payment_id=3) == [told[2]]
    assert found(payment_id=3, states=[DEAD]) == []


def test_by_default_a_hundred_events_are_shown(connection: Connection) -> None:
    tell(connection, *range(1, 102))
    assert [one.payment_id for one in event_log.records(connection)] == [*range(2, 102)]


def test_the_deliveries_of_all_events_are_shown(connection: Connection) -> None:
    tell(connection, *range(1, 6))
    for sink in ("web", "mail"):
        deliveries.enroll(connection, sink, NOON, 10)
    assert [[each.sink for each in one.deliveries] for one in event_log.records(connection)] == [
        ["web", "mail"]
    ] * 5


def test_events_are_counted_by_state(connection: Connection, told: list[str]) -> None:
    assert event_log.counts(connection) == {WAITING: 2, DELIVERED: 1, DEAD: 1}
    connection.execute(sa.delete(delivery))
    connection.execute(sa.delete(event))
    assert event_log.counts(connection) == {WAITING: 0, DELIVERED: 0, DEAD: 0}


def test_a_retry_makes_everything_due_that_was_not_taken_with_all_its_tries(
    connection: Connection, told: list[str]
) -> None:
    assert event_log.retry(connection, None, LATER) == 2
    assert states(connection) == [DELIVERED, WAITING, WAITING, WAITING]
    rows = connection.execute(sa.select(delivery).order_by(delivery.c.id)).all()
    assert [(row.attempts, row.claim, row.claimed_until) for row in rows[1:]] == [(0, None, None)] * 2
    assert [row.next_attempt_at for row in rows] == [NOON, LATER, LATER]
    assert (rows[0].attempts, rows[0].outcome, rows[1].outcome, rows[1].ended_at) == (1, "taken", None, None)
    assert [one.event_id for one in claim(connection, at=LATER - NOON)] == told[1:3]


def test_a_retry_of_named_events_leaves_the_others(connection: Connection, told: list[str]) -> None:
    assert event_log.retry(connection, [told[0]], LATER) == 0
    assert event_log.retry(connection, [told[1]], LATER) == 1
    assert event_log.retry(connection, [], LATER) == 0
    assert [one.event_id for one in claim(connection, at=LATER - NOON)] == [told[1], told[2]]


def test_a_replay_has_the_sinks_named_get_a_time_again(connection: Connection, told: list[str]) -> None:
    moment = timedelta(seconds=1)
    for number, event_id in enumerate(told):
        connection.execute(
            sa.update(event).where(event.c.event_id == event_id).values(created_at=NOON + number * moment)
        )
    connection.execute(sa.update(delivery).values(remaining=["b"]))
    assert event_log.replay(connection, ["web"], NOON, NOON + 2 * moment, LATER) == 2
    assert states(connection) == [WAITING] * 4
    rows = connection.execute(sa.select(delivery).order_by(delivery.c.id)).all()
    assert [(row.attempts, row.ended_at, row.outcome, row.remaining) for row in rows[:2]] == [
        (0, None, None, None)
    ] * 2
    assert [row.next_attempt_at for row in rows] == [LATER, LATER, NOON]
    assert rows[2].claim is not None
    assert event_log.replay(connection, ["mail"], NOON + 2 * moment, None, LATER) == 2
    assert [one.event_id for one in claim(connection, "mail", at=LATER - NOON)] == told[2:]
    assert [one.event_id for one in claim(connection, "web", at=LATER - NOON)] == told[:3]


def test_a_replay_takes_a_claim_away_from_whoever_sends_now(connection: Connection, told: list[str]) -> None:
    event_log.replay(connection, ["web"], NOON, None, NOON)
    assert [one.event_id for one in claim(connection)] == told
