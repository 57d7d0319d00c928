"""Python callables of the merchant's, each by itself."""

import pytest

from solpay_pipeline.events.message import BadSink
from solpay_pipeline.events.sinks.callables import CallableSink
from solpay_pipeline_tests.rooms.events import handlers
from solpay_pipeline_tests.rooms.events.ground import ListSink, Outbox

HERE = "solpay_pipeline_tests.rooms.events.handlers"


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    handlers.seen.clear()
    handlers.asked.clear()


def test_a_handler_gets_the_event_as_a_webhook_would(outbox: Outbox):
    outbox.append(7, word="here")

    outbox.deliver(CallableSink(f"{HERE}:take"))

    [event] = handlers.seen
    assert event == {
        "id": outbox.ids()[0],
        "type": "payment.expired",
        "timestamp": "2026-11-22T12:00:00+00:00",
        "data": {"payment_id": 7, "word": "here"},
    }


def test_a_coroutine_is_awaited(outbox: Outbox):
    outbox.append(7)

    outbox.deliver(CallableSink(f"{HERE}:take_async"))

    assert [event["async"] for event in handlers.seen] == [True]


def test_a_handler_that_raises_holds_no_other_and_its_words_are_not_kept(outbox: Outbox):
    outbox.append_many(3)

    outcome = outbox.deliver(
        CallableSink(f"{HERE}:refuse"), CallableSink(f"{HERE}:change_and_take"), CallableSink(f"{HERE}:take")
    )

    assert [event["data"]["payment_id"] for event in handlers.seen] == [1, 2, 3]
    error = outcome.sinks[f"python:{HERE}:refuse"].last_error
    assert error is not None
    assert error.startswith("it raised ValueError in refuse (events/handlers.py:")
    assert "hunter2" not in str(outcome.as_json())
    assert len(handlers.asked) == 3


def test_a_handler_that_raised_gets_the_same_event_again(outbox: Outbox):
    outbox.append(1)
    sink = CallableSink(f"{HERE}:refuse")
    outbox.deliver(sink, ListSink())
    outbox.wait(seconds=10)
    outbox.deliver(sink, ListSink())

    assert handlers.asked == outbox.ids() * 2


@pytest.mark.parametrize(
    "reference",
    ["no.such.module:take", f"{HERE}:missing", f"{HERE}:not_callable", "solpay_pipeline_tests.broken:x"],
)
def test_a_handler_that_is_not_there_stops_with_the_settings_name(reference: str):
    with pytest.raises(BadSink, match=r"^SOLPAY_EVENT_HANDLERS: "):
        CallableSink(reference)
