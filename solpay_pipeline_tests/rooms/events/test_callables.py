"""Python callables of the merchant's, each in a process of its own."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from solpay_pipeline.events.message import BadSink
from solpay_pipeline.events.sinks.callables import CallableSink
from solpay_pipeline_tests.rooms.events.ground import ListSink, Outbox

HERE = "solpay_pipeline_tests.rooms.events"
LIMIT = 2
"""Seconds: long enough for an interpreter to start on a busy machine."""

MakeSink = Callable[..., CallableSink]


@pytest.fixture
def sink() -> Iterator[MakeSink]:
    with ExitStack() as stack:

        def make(function: str, *, module: str = "handlers", **how: Any) -> CallableSink:
            made = CallableSink(f"{HERE}.{module}:{function}", **how)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def handled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """What handlers have noted, by its kind."""
    file = tmp_path / "handled"
    file.touch()
    monkeypatch.setenv("HANDLED", str(file))

    def noted(kind: str) -> list[Any]:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return [line[kind] for line in lines if kind in line]

    return noted


def test_a_handler_gets_the_event_as_a_webhook_would(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]
):
    outbox.append(7, word="here")

    outbox.deliver(sink("take"))

    assert handled("took") == [
        {
            "id": outbox.ids()[0],
            "type": "payment.expired",
            "timestamp": "2026-11-22T12:00:00+00:00",
            "data": {"payment_id": 7, "word": "here"},
        }
    ]


def test_a_coroutine_is_awaited(outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]):
    outbox.append(7)

    outbox.deliver(sink("take_async"))

    assert [event["data"]["payment_id"] for event in handled("awaited")] == [7]


def test_an_event_larger_than_a_pipe_arrives(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]
):
    outbox.append(7, word="x" * 1_000_000)

    outbox.deliver(sink("take"))

    assert [len(event["data"]["word"]) for event in handled("took")] == [1_000_000]


def test_a_handler_that_raises_holds_no_other_and_its_words_are_not_kept(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]
):
    outbox.append_many(3)

    outcome = outbox.deliver(sink("refuse"), sink("change_and_take"), sink("take"))

    assert [event["data"]["payment_id"] for event in handled("took")] == [1, 2, 3]
    error = outcome.sinks[f"python:{HERE}.handlers:refuse"].last_error
    assert error is not None
    assert error.startswith("it raised ValueError in refuse (events/handlers.py:")
    assert "hunter2" not in str(outcome.as_json())
    assert len(handled("refused")) == 3


def test_a_handler_that_raised_gets_the_same_event_again(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]
):
    outbox.append(1)
    refusing = sink("refuse")
    outbox.deliver(refusing, ListSink())
    outbox.wait(seconds=10)
    outbox.deliver(refusing, ListSink())

    assert handled("refused") == outbox.ids() * 2


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("exit_well", "it exited with 0"),
        ("exit_at_once", "it exited with 7"),
        ("crash", "its process was killed by SIGSEGV"),
        ("flood", "it printed more than 65536 bytes"),
        ("fork_and_hang", "it exited with 0"),
        ("close_everything", "it closed the pipe that it is heard on"),
    ],
)
def test_each_of_twelve_events_is_a_counted_try_and_the_sinks_behind_get_them_all(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]], function: str, words: str
):
    outbox.append_many(12)
    bad, behind = sink(function, seconds=10), ListSink()

    outcome = outbox.deliver(bad, behind)

    tally = outcome.sinks[bad.name]
    assert (tally.failed_tries, tally.delivered, tally.last_error) == (12, 0, words)
    assert behind.ids == outbox.ids()


def test_a_handler_that_hangs_is_ended_at_its_limit_and_rests_until_the_next_run(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]
):
    outbox.append_many(12)
    bad, behind = sink("hang", seconds=LIMIT), ListSink()

    started = time.monotonic()
    outcome = outbox.deliver(bad, behind)
    lasted = time.monotonic() - started

    tally = outcome.sinks[bad.name]
    assert (tally.failed_tries, tally.is_resting) == (5, True)
    assert tally.last_error == f"it had not returned after {LIMIT} s"
    assert behind.ids == outbox.ids()
    assert lasted < 5 * LIMIT + 5
    assert [pid for pid in handled("hangs") if Path(f"/proc/{pid}").exists()] == []


def test_what_a_handler_forks_neither_answers_for_it_nor_takes_the_next_event(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]]
):
    outbox.append_many(12)

    outcome = outbox.deliver(sink("fork_and_return", seconds=10))

    assert outcome.delivered == 12
    assert [event["id"] for event in handled("took")] == outbox.ids()


def test_a_handler_gets_what_is_withheld_neither_in_its_environment_nor_as_an_argument(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOLPAY_WALLET_KEYS", "very secret")
    monkeypatch.setenv("SHOP", "open")
    outbox.append(1)

    outbox.deliver(sink("tell_environment", withheld={"SOLPAY_WALLET_KEYS"}))

    (environment,) = handled("environment")
    assert environment["SHOP"] == "open"
    assert "very secret" not in str(environment) + str(handled("arguments"))
    assert "very secret" in os.environ.values()


def test_what_a_handler_prints_steers_no_terminal(
    outbox: Outbox, sink: MakeSink, handled: Callable[[str], list[Any]], capfd: pytest.CaptureFixture[str]
):
    outbox.append(1)

    outbox.deliver(sink("steer"), ListSink())

    out, err = capfd.readouterr()
    assert out == ""
    assert err == "\\x1b[2J\\x9b2Ktwo\nlines\n"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("exits_when_imported", "it exited with 3"),
        ("hangs_when_imported", f"it had not returned after {LIMIT} s"),
    ],
)
def test_a_module_that_ends_or_hangs_when_it_is_imported_is_tried_again_at_each_event(
    outbox: Outbox, sink: MakeSink, module: str, words: str
):
    outbox.append_many(2)
    bad, behind = sink("take", module=module, seconds=LIMIT), ListSink()

    outcome = outbox.deliver(bad, behind)

    assert bad.trouble == words
    assert (outcome.sinks[bad.name].failed_tries, outcome.sinks[bad.name].last_error) == (2, words)
    assert behind.ids == outbox.ids()


@pytest.mark.parametrize(
    "reference",
    [
        "no.such.module:take",
        f"{HERE}.handlers:missing",
        f"{HERE}.handlers:not_callable",
        "solpay_pipeline_tests.broken:x",
    ],
)
def test_a_handler_that_is_not_there_stops_with_the_settings_name(reference: str):
    with pytest.raises(BadSink, match=r"^SOLPAY_EVENT_HANDLERS: "):
        CallableSink(reference)
