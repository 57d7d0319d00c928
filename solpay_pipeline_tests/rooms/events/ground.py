"""An outbox without a chain, sinks that obey the test, and a webhook receiver that is a real HTTP server."""

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine
from standardwebhooks import Webhook

from solpay_pipeline.base.database import reading
from solpay_pipeline.events.message import Message, Report, Sink, Undelivered
from solpay_pipeline.events.relay import DeliveryOptions, DeliveryOutcome, deliver_events
from solpay_pipeline.ledger import event_log, outbox
from solpay_pipeline.ledger.event_log import EventRecord
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
OLD_SECRET = "whsec_" + "b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG9sZCE="
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Outbox:
    """The outbox of a database, with a clock that the test moves."""

    engine: Engine
    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def wait(self, **delta: float) -> None:
        self.time += timedelta(**delta)

    def append(
        self, payment_id: int | None = 1, kind: EventKind = EventKind.PAYMENT_EXPIRED, **body: object
    ) -> None:
        event = Event(kind, payment_id, payment_id, {"payment_id": payment_id, **body})
        with self.engine.begin() as connection:
            outbox.append(connection, [event], RunRef("run", "expire"), self.time)

    def append_many(self, count: int) -> None:
        events = [Event(EventKind.PAYMENT_EXPIRED, n, n, {"payment_id": n}) for n in range(1, count + 1)]
        with self.engine.begin() as connection:
            outbox.append(connection, events, RunRef("run", "expire"), self.time)

    def deliver(self, *sinks: Sink, tries: int = 10, **more: Any) -> DeliveryOutcome:
        return deliver_events(self.engine, sinks, DeliveryOptions(tries=tries, **more), "run", clock=self.now)

    def records(self, **which: Any) -> list[EventRecord]:
        with reading(self.engine) as connection:
            return event_log.records(connection, limit=10_000, **which)

    def states(self) -> list[str]:
        return [one.state.value for one in self.records()]

    def ids(self) -> list[str]:
        return [one.event_id for one in self.records()]

    def retry(self, *event_ids: str) -> int:
        with self.engine.begin() as connection:
            return event_log.retry(connection, event_ids or None, self.time)

    def replay(self, *sinks: str, since: datetime = START, until: datetime | None = None) -> int:
        with self.engine.begin() as connection:
            return event_log.replay(connection, sinks, since, until, self.time)

    def scalar(self, query: sa.Select[Any]) -> Any:
        with reading(self.engine) as connection:
            return connection.execute(query).scalar_one()


@dataclass
class ListSink:
    """Takes everything, but raises for what `refuse` names by payment id, so often as it says."""

    name: str = "list"
    at_once: int = 1
    patience: float = 1.0
    taken: list[Message] = field(default_factory=list)
    refuse: dict[int, int] = field(default_factory=dict)
    trouble: Undelivered = field(default_factory=lambda: Undelivered("it said no"))

    def send(self, messages: Sequence[Message], report: Report) -> None:
        for message in messages:
            payment_id = message.data["payment_id"]
            assert isinstance(payment_id, int)
            if self.refuse.get(payment_id, 0):
                self.refuse[payment_id] -= 1
                report(message, self.trouble)
            else:
                self.taken.append(message)
                report(message, None)

    def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.taken]


@dataclass
class Receiver:
    """A webhook receiver. `answers` are given first, in order; then `status`. What it takes is verified."""

    url: str = ""
    status: int = 204
    answers: list[int | float] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    verify_with: str = SECRET

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]

    def answer(self) -> int | float:
        return self.answers.pop(0) if self.answers else self.status


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append((self.path, headers, body))
            answer = receiver.answer()
            if isinstance(answer, float):
                # A receiver that hangs.
                stop.wait(answer)
                self.close_connection = True
                return
            if 200 <= answer < 300:
                Webhook(receiver.verify_with).verify(body, headers)
                receiver.accepted.append(headers["webhook-id"])
            self.send_response(answer)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://localhost:{server.server_port}/hooks/token-of-the-path"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
