"""Who waits longest goes first; what happened is told in the words of its own transaction."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from solpay_pipeline.ledger import outbox
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.seen import looks
from solpay_pipeline.ledger.tables import BaseUnits, Moment, event
from solpay_pipeline_tests.rooms.ledger.ground import LATER, NOON, RUN


def ids(*wanted: int) -> sa.Select[tuple[int]]:
    return sa.union_all(*(sa.select(sa.literal(one).label("id")) for one in wanted)).subquery().select()


def test_whoever_was_never_looked_at_goes_first_and_then_who_waits_longest(connection: Connection) -> None:
    looks.rechecked(connection, [3], LATER)
    looks.rechecked(connection, [1, 4], NOON)
    assert looks.longest_unseen(connection, ids(5, 4, 3, 2, 1), None) == [2, 5, 1, 4, 3]
    assert looks.longest_unseen(connection, ids(5, 4, 3, 2, 1), 3) == [2, 5, 1]
    assert looks.longest_unseen(connection, ids(3), 3) == [3]


def test_a_new_look_sends_a_payment_to_the_end(connection: Connection) -> None:
    looks.rechecked(connection, [1, 2], NOON)
    looks.rechecked(connection, [1, 1], LATER)
    assert looks.longest_unseen(connection, ids(1, 2), None) == [2, 1]
    looks.rechecked(connection, [], LATER)


def test_an_event_is_stored_with_an_id_of_its_own_and_all_that_it_tells(connection: Connection) -> None:
    outbox.append(connection, [], RUN, NOON)
    told = Event(EventKind.PAYMENT_HELD, 11, 1, {"label": "late"})
    outbox.append(connection, [told, told], RUN, NOON)
    first, second = connection.execute(sa.select(event).order_by(event.c.id)).all()
    assert first.event_id.startswith("evt_")
    assert len(first.event_id) == 36
    assert first.event_id != second.event_id
    assert (first.kind, first.payment_id, first.wallet_id) == ("payment.held", 11, 1)
    assert (first.body, first.operation, first.run_id) == ({"label": "late"}, "sweep", "run")
    assert (first.created_at, first.delivered_at, first.dead_at) == (NOON, None, None)


def test_what_was_told_last_of_a_kind_is_known_by_payment(connection: Connection) -> None:
    swept = EventKind.WALLET_SWEPT
    for body in ({"n": 1}, {"n": 2}):
        outbox.append(connection, [Event(swept, 11, 1, body), Event(swept, 12, 2, body)], RUN, NOON)
    outbox.append(connection, [Event(EventKind.WALLET_CLOSED, 11, 1, {"n": 3})], RUN, NOON)
    outbox.append(connection, [Event(swept, 13, 3)], RunRef("other", "sweep"), NOON)
    assert outbox.last_bodies(connection, swept, [11, 13, 14]) == {11: {"n": 2}, 13: {}}
    assert outbox.last_bodies(connection, EventKind.WALLET_CLOSED, [11, 12]) == {11: {"n": 3}}
    assert outbox.last_bodies(connection, swept, []) == {}


def test_more_payments_than_a_list_of_parameters_takes_are_all_found(connection: Connection) -> None:
    many = range(1, 6)
    outbox.append(connection, [Event(EventKind.WALLET_SWEPT, one, one) for one in many], RUN, NOON)
    assert set(outbox.last_bodies(connection, EventKind.WALLET_SWEPT, range(40_000))) == set(many)


def test_the_payments_that_an_operation_of_a_run_told_of_can_be_joined_with(connection: Connection) -> None:
    held = EventKind.PAYMENT_HELD
    outbox.append(connection, [Event(held, 11, 1), Event(EventKind.RUN_FAILED, None, None)], RUN, NOON)
    outbox.append(connection, [Event(held, 12, 2)], RunRef("run", "expire"), NOON)
    outbox.append(connection, [Event(held, 13, 3)], RunRef("other", "sweep"), NOON)
    assert list(connection.execute(outbox.payments_told_in(RUN)).scalars()) == [11]


SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()


@pytest.mark.parametrize("amount", [None, 0, 2**63, 2**64 - 1])
def test_amounts_of_64_bits_come_back_exactly_from_either_database(amount: int | None) -> None:
    column = BaseUnits()
    text = None if amount is None else str(amount)
    assert column.process_bind_param(amount, SQLITE) == text
    assert column.process_bind_param(amount, POSTGRESQL) == amount
    assert column.process_result_value(text, SQLITE) == amount
    assert column.process_result_value(amount, POSTGRESQL) == amount
    assert isinstance(column.load_dialect_impl(SQLITE), sa.String)
    numeric = column.load_dialect_impl(POSTGRESQL)
    assert isinstance(numeric, sa.Numeric)
    assert (numeric.precision, numeric.scale) == (20, 0)


def test_moments_are_utc_whatever_zone_they_were_given_in() -> None:
    column, east = Moment(), timezone(timedelta(hours=2))
    given = NOON.astimezone(east)
    assert column.process_bind_param(given, SQLITE) == NOON.replace(tzinfo=None)
    assert column.process_bind_param(given, POSTGRESQL) == NOON
    for dialect, stored in ((SQLITE, NOON.replace(tzinfo=None)), (POSTGRESQL, given)):
        found = column.process_result_value(stored, dialect)
        assert found == NOON
        assert found.tzinfo is UTC
        assert column.process_bind_param(None, dialect) is None
        assert column.process_result_value(None, dialect) is None
        with pytest.raises(ValueError, match="without a zone"):
            column.process_bind_param(datetime(2026, 11, 22), dialect)  # noqa: DTZ001


def test_a_stored_time_is_utc_wherever_the_server_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert Moment().process_result_value(NOON.replace(tzinfo=None), SQLITE) == NOON
    finally:
        monkeypatch.undo()
        time.tzset()
