"""At least once, in order per payment, with stable ids, to each sink by itself."""

import threading
from datetime import timedelta

import pytest

from solpay_pipeline.base.database import reading
from solpay_pipeline.events.message import Undelivered
from solpay_pipeline.events.relay import DELAYS
from solpay_pipeline.ledger import deliveries
from solpay_pipeline_tests.rooms.events.ground import START, ListSink, Outbox


def test_every_event_reaches_every_sink_once_with_its_own_id(outbox: Outbox):
    outbox.append_many(12)
    first, second = ListSink("first"), ListSink("second", at_once=5)

    outcome = outbox.deliver(first, second)

    assert first.ids == second.ids == outbox.ids()
    assert outbox.states() == ["delivered"] * 12
    assert outcome.as_json()["delivered"] == 24
    assert outbox.deliver(first, second).as_json()["delivered"] == 0
    assert len(first.taken) == 12


def test_without_a_sink_everything_waits(outbox: Outbox):
    outbox.append(1)

    assert outbox.deliver().stopped_reason == "no_sink"
    assert outbox.states() == ["waiting"]

    late = ListSink()
    outbox.deliver(late)
    assert late.ids == outbox.ids()


def test_events_of_one_payment_arrive_in_order_and_wait_for_the_one_that_failed(outbox: Outbox):
    for word in ("a", "b", "c"):
        outbox.append(1, word=word)
        outbox.append(2, word=word)
    sink = ListSink(refuse={1: 1}, at_once=8)

    outbox.deliver(sink)
    assert [(one.data["payment_id"], one.data["word"]) for one in sink.taken] == [
        (2, "a"),
        (2, "b"),
        (2, "c"),
    ]

    outbox.wait(seconds=DELAYS[0] * 1.3)
    outbox.deliver(sink)
    assert [one.data["word"] for one in sink.taken if one.data["payment_id"] == 1] == ["a", "b", "c"]


def test_a_sink_that_fails_holds_no_other_sink(outbox: Outbox):
    outbox.append_many(3)
    good, bad = ListSink("good"), ListSink("bad", refuse={1: 99, 2: 99, 3: 99})

    outcome = outbox.deliver(bad, good)

    assert len(good.taken) == 3
    assert outcome.sinks["bad"].waiting == 3
    assert outcome.sinks["bad"].last_error == "it said no"
    assert outbox.states() == ["waiting"] * 3


def test_a_retry_has_the_same_id_and_the_same_words(outbox: Outbox):
    outbox.append(1, amount="5")
    sink = ListSink(refuse={1: 1})
    said: list[str] = []
    original = sink.send

    def spy(messages, report):
        said.extend(message.encoded() for message in messages)
        original(messages, report)

    sink.send = spy  # type: ignore[method-assign]
    outbox.deliver(sink)
    outbox.wait(seconds=10)
    outbox.deliver(sink)

    assert len(said) == 2
    assert said[0] == said[1]


def test_tries_come_later_and_later_with_some_jitter(outbox: Outbox):
    outbox.append(1)
    sink = ListSink(refuse={1: 99})
    for delay in DELAYS[:4]:
        outbox.deliver(sink)
        [record] = outbox.records()
        pause = (record.deliveries[0].next_attempt_at - outbox.now()).total_seconds()
        assert 0.8 * delay <= pause <= 1.2 * delay
        before = 99 - sink.refuse[1]
        outbox.wait(seconds=pause - 0.5)
        outbox.deliver(sink)
        assert 99 - sink.refuse[1] == before, "tried before its time"
        outbox.wait(seconds=0.5)


def test_a_sink_that_asks_for_a_longer_pause_gets_it(outbox: Outbox):
    outbox.append(1)
    outbox.deliver(ListSink(refuse={1: 1}, trouble=Undelivered("later", retry_after=3_600)))

    [record] = outbox.records()
    assert record.deliveries[0].next_attempt_at == START + timedelta(hours=1)


def test_after_the_last_try_an_event_is_dead_and_the_next_one_of_its_payment_goes_on(outbox: Outbox):
    outbox.append(1, word="dead")
    outbox.append(1, word="next")
    sink = ListSink(refuse={1: 3})
    for _ in range(2):
        assert outbox.deliver(sink, tries=3).as_json()["set_aside"] == []
        outbox.wait(days=2)

    outcome = outbox.deliver(sink, tries=3)

    [left] = outcome.as_json()["set_aside"]  # type: ignore[misc]
    assert left["payment_id"] == 1
    assert "after 3 tries" in left["explanation"]
    assert outbox.states() == ["dead", "delivered"]
    assert [one.data["word"] for one in sink.taken] == ["next"]
    assert outbox.deliver(sink, tries=3).as_json()["set_aside"] == []


def test_a_dead_event_that_is_retried_is_delivered_with_its_own_id(outbox: Outbox):
    outbox.append(1)
    other = ListSink("other")
    sink = ListSink(refuse={1: 1})
    outbox.deliver(sink, other, tries=1)
    assert outbox.states() == ["dead"]

    assert outbox.retry(*outbox.ids()) == 1
    assert outbox.states() == ["waiting"]
    outbox.deliver(sink, other, tries=1)

    assert outbox.states() == ["delivered"]
    assert sink.ids == outbox.ids()
    assert len(other.taken) == 1, "what a sink has taken stays taken"


def test_what_can_never_be_taken_is_given_up_at_once(outbox: Outbox):
    outbox.append(1)

    outbox.deliver(ListSink(refuse={1: 1}, trouble=Undelivered("gone", is_final=True)))

    assert outbox.states() == ["dead"]


def test_a_replay_sends_a_time_again_to_the_sinks_named_and_to_no_other(outbox: Outbox):
    outbox.append(1)
    outbox.wait(hours=1)
    outbox.append(2)
    outbox.wait(hours=1)
    outbox.append(3)
    first, second = ListSink("first"), ListSink("second")
    outbox.deliver(first, second)
    ids = outbox.ids()

    assert (
        outbox.replay("first", since=START + timedelta(minutes=30), until=START + timedelta(minutes=90)) == 1
    )
    outbox.deliver(first, second)

    assert first.ids == [*ids, ids[1]]
    assert second.ids == ids
    assert outbox.states() == ["delivered"] * 3


def test_a_replay_can_tell_a_new_sink_what_was_before_it(outbox: Outbox):
    outbox.append_many(3)
    outbox.deliver(ListSink("old"))
    new = ListSink("new")
    outbox.deliver(ListSink("old"), new)
    assert new.taken == [], "it starts with what comes after it"

    outbox.replay("new")
    outbox.deliver(ListSink("old"), new)

    assert new.ids == outbox.ids()


def test_a_sink_out_of_reach_rests_and_costs_few_tries(outbox: Outbox):
    outbox.append_many(50)
    sink = ListSink(refuse=dict.fromkeys(range(1, 51), 1), trouble=Undelivered("down", is_down=True))

    outcome = outbox.deliver(sink)

    assert outcome.sinks["list"].is_resting
    assert outcome.sinks["list"].failed_tries == 5
    assert outcome.sinks["list"].waiting == 50

    outbox.deliver(ListSink())
    outbox.wait(hours=1)
    back = ListSink()
    outbox.deliver(back)
    assert outbox.states() == ["delivered"] * 50


def test_a_time_limit_stops_between_events(outbox: Outbox):
    outbox.append_many(3)

    outcome = outbox.deliver(ListSink(), max_runtime_seconds=1e-9)

    assert outcome.stopped_reason == "max_runtime"


def test_a_claim_keeps_others_away_until_it_runs_out(outbox: Outbox):
    outbox.append(1)
    with outbox.engine.begin() as connection:
        deliveries.enroll(connection, "list", outbox.now(), 10)
        [held] = deliveries.claim(connection, "list", now=outbox.now(), lease=timedelta(minutes=1), limit=10)
    sink = ListSink()

    outbox.deliver(sink)
    assert sink.taken == []

    # The first deliverer died after its POST: the same event, the same id.
    outbox.wait(minutes=2)
    outbox.deliver(sink)
    assert sink.ids == [held.event_id]

    with outbox.engine.begin() as connection:
        assert not deliveries.postpone(
            connection, held, error="too late", next_attempt_at=outbox.now(), remaining=None
        )
    assert outbox.states() == ["delivered"]


def test_a_deliverer_that_is_interrupted_leaves_its_events_to_the_next(outbox: Outbox):
    outbox.append_many(2)

    class Interrupted(ListSink):
        def send(self, messages, report):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outbox.deliver(Interrupted())
    sink = ListSink()
    outbox.deliver(sink)

    assert sink.ids == outbox.ids()


def test_deliverers_side_by_side_send_each_event_once_and_in_order(outbox: Outbox):
    for number in range(10):
        for payment_id in range(1, 7):
            outbox.append(payment_id, number=number)
    sink = ListSink(at_once=3)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                outbox.deliver(sink)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(sink.ids) == sorted(outbox.ids())
    for payment_id in range(1, 7):
        numbers = [one.data["number"] for one in sink.taken if one.data["payment_id"] == payment_id]
        assert numbers == list(range(10))


def test_what_only_waits_for_an_earlier_event_is_not_due(outbox: Outbox):
    outbox.append(1)
    outbox.append(1)
    sink = ListSink(refuse={1: 1})
    with reading(outbox.engine) as connection:
        assert deliveries.is_due(connection, ["list"], outbox.now())
    outbox.deliver(sink)
    with reading(outbox.engine) as connection:
        assert not deliveries.is_due(connection, ["list"], outbox.now())
        assert deliveries.is_due(connection, ["list"], outbox.now() + timedelta(seconds=7))
        assert deliveries.is_due(connection, ["another"], outbox.now())
