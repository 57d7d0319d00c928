"""Takes the outbox to the sinks: at least once, in order per payment, with stable ids.

A sink that fails keeps nothing from the others. An event that fails is tried again later and later, and is given
up after `tries`; until then the later events of its payment wait for it. A sink that seems out of reach rests until the
next run, so that an outage costs a few events a try each and not all of them all of theirs.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Engine

from solpay_pipeline.base.clock import utc_now
from solpay_pipeline.base.database import reading
from solpay_pipeline.events.message import Message, Sink, Undelivered
from solpay_pipeline.ledger import deliveries
from solpay_pipeline.ledger.deliveries import Claimed, Ending
from solpay_pipeline.ledger.migrations import migrate

DELAYS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after the first, second, ... failed try; the last one stays. Standard Webhooks, "Delivery retries"."""

JITTER = 0.2
"""Of each delay, up or down, lest all of an outage's events come back at once."""

DEFAULT_TRIES = 10
"""With the delays above: given up after a little more than three days."""

_MAX_RUNTIME = "max_runtime"
_ENROLLED_AT_ONCE = 1_000
_DOWN_IN_A_ROW = 5
"""So many failures in a row that tell of the sink and not of the event, and the sink rests until the next run."""
_LEASE_MARGIN = 30.0
"""Seconds beyond a sink's patience, for clocks that differ between machines."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """`tries` for each event and sink; `max_runtime_seconds` stops cleanly between events."""

    tries: int = DEFAULT_TRIES
    max_runtime_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An event that was given up for one sink in this run."""

    wallet_id: object
    payment_id: int | None
    explanation: str

    def as_json(self) -> dict[str, object]:
        """As findings are shown."""
        return {
            "code": "event_undelivered",
            "wallet_id": self.wallet_id,
            "payment_id": self.payment_id,
            "mint": None,
            "amount": "0",
            "explanation": self.explanation,
        }


@dataclass(slots=True)
class SinkTally:
    """What became of the events at one sink; `waiting` are those that it has still to take."""

    name: str
    delivered: int = 0
    failed_tries: int = 0
    given_up: list[GivenUp] = field(default_factory=list)
    waiting: int = 0
    last_error: str | None = None
    is_resting: bool = False

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "delivered": self.delivered,
            "failed_tries": self.failed_tries,
            "given_up": len(self.given_up),
            "waiting": self.waiting,
            "last_error": self.last_error,
            "is_resting": self.is_resting,
        }


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The result of one delivery run, by sink."""

    run_id: str
    sinks: Mapping[str, SinkTally]
    stopped_reason: str
    operation: str = "deliver_events"

    @property
    def delivered(self) -> int:
        """Events taken, once for each sink."""
        return sum(one.delivered for one in self.sinks.values())

    @property
    def waiting(self) -> int:
        """Events still to be taken, once for each sink."""
        return sum(one.waiting for one in self.sinks.values())

    @property
    def set_aside(self) -> tuple[GivenUp, ...]:
        """The events given up in this run, as other operations show what they left."""
        return tuple(given_up for one in self.sinks.values() for given_up in one.given_up)

    @property
    def left_undone(self) -> tuple[str, ...]:
        """What was due and was not tried, in sentences; what failed and waits for another try is not of it."""
        if self.stopped_reason != _MAX_RUNTIME or not self.waiting:
            return ()
        return (f"{self.waiting} events left undone: stopped early by {self.stopped_reason}",)

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "operation": self.operation,
            "run_id": self.run_id,
            "stopped_reason": self.stopped_reason,
            "delivered": self.delivered,
            "waiting": self.waiting,
            "sinks": {name: one.as_json() for name, one in self.sinks.items()},
            "set_aside": [one.as_json() for one in self.set_aside],
        }


def deliver_events(
    engine: Engine,
    sinks: Sequence[Sink],
    options: DeliveryOptions,
    run_id: str,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> DeliveryOutcome:
    """Send everything that is due to each sink. Without sinks nothing happens and everything waits.

    Raises `Blocked` where the pipeline's tables are not those of this version.
    """
    tallies = {sink.name: SinkTally(sink.name) for sink in sinks}
    if not sinks:
        return DeliveryOutcome(run_id, tallies, "no_sink")
    with reading(engine) as connection:
        migrate.require_current(connection)
    courier = _Courier(engine, options, clock)
    for sink in sinks:
        courier.serve(sink, tallies[sink.name])
    names = list(tallies)
    with engine.begin() as connection:
        deliveries.close_events(connection, names, clock())
    with reading(engine) as connection:
        for name, count in deliveries.open_counts(connection, names).items():
            tallies[name].waiting = count
    return DeliveryOutcome(run_id, tallies, _MAX_RUNTIME if courier.is_late() else "done")


class _Courier:
    def __init__(self, engine: Engine, options: DeliveryOptions, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._options = options
        self._clock = clock
        self._started = time.monotonic()

    def is_late(self) -> bool:
        limit = self._options.max_runtime_seconds
        return limit is not None and time.monotonic() - self._started >= limit

    def serve(self, sink: Sink, tally: SinkTally) -> None:
        down_in_a_row = 0
        for batch in self._batches(sink):
            before = tally.delivered
            down = self._send(sink, batch, tally)
            down_in_a_row = 0 if tally.delivered > before else down_in_a_row + down
            if down_in_a_row >= _DOWN_IN_A_ROW:
                tally.is_resting = True
                return

    def _batches(self, sink: Sink) -> Iterator[list[Claimed]]:
        lease = timedelta(seconds=sink.patience + _LEASE_MARGIN)
        while not self.is_late():
            with self._engine.begin() as connection:
                now = self._clock()
                batch = deliveries.claim(connection, sink.name, now=now, lease=lease, limit=sink.at_once)
                if not batch and not deliveries.enroll(connection, sink.name, now, _ENROLLED_AT_ONCE):
                    return
            if batch:
                yield batch

    def _send(self, sink: Sink, batch: Sequence[Claimed], tally: SinkTally) -> int:
        """Send a batch and write what became of each; returns how many failed for the sink's own sake."""
        waiting = {one.event_id: one for one in batch}
        troubles: list[Undelivered] = []

        def report(message: Message, trouble: Undelivered | None) -> None:
            self._settle(waiting.pop(message.id), trouble, tally)
            if trouble is not None:
                troubles.append(trouble)

        try:
            sink.send([_message(one) for one in batch], report)
        finally:
            # A sink that was interrupted leaves what it had not reported to the next deliverer.
            with self._engine.begin() as connection:
                for one in waiting.values():
                    deliveries.release(connection, one)
        return sum(trouble.is_down for trouble in troubles)

    def _settle(self, one: Claimed, trouble: Undelivered | None, tally: SinkTally) -> None:
        now = self._clock()
        tries = one.attempts + 1
        with self._engine.begin() as connection:
            if trouble is None:
                settle = partial(deliveries.end, connection, one, Ending.TAKEN, now)
            elif trouble.is_final or tries >= self._options.tries:
                settle = partial(deliveries.end, connection, one, Ending.DEAD, now, str(trouble))
            else:
                settle = partial(
                    deliveries.postpone,
                    connection,
                    one,
                    error=str(trouble),
                    next_attempt_at=now + timedelta(seconds=_delay(tries, trouble)),
                    remaining=trouble.remaining,
                )
            is_ours = settle()
        if not is_ours:
            return
        if trouble is None:
            tally.delivered += 1
            return
        tally.failed_tries += 1
        tally.last_error = str(trouble)
        if trouble.is_final or tries >= self._options.tries:
            tally.given_up.append(_given_up(one, tries, tally.name))


def _given_up(one: Claimed, tries: int, sink: str) -> GivenUp:
    return GivenUp(
        wallet_id=one.body.get("wallet_id"),
        payment_id=one.payment_id,
        explanation=f"{one.kind} {one.event_id} was given up for {sink} after {tries} tries; "
        f"`solpay events retry {one.event_id}` tries again",
    )


def _delay(tries: int, trouble: Undelivered) -> float:
    """Seconds until the next try, after so many."""
    regular = DELAYS[min(tries, len(DELAYS)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    return max(regular, trouble.retry_after or 0.0)


def _message(one: Claimed) -> Message:
    return Message(one.event_id, one.kind, one.created_at, one.body, one.remaining)
