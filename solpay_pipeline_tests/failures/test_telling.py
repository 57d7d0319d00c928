"""What is told, and what is never told: events reach a receiver whatever happens to it, secrets reach nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr

from solpay_pipeline.base.clock import utc_now
from solpay_pipeline.events.sinks.webhook import WebhookSink
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.command_line.warm import Death, Warm
from solpay_pipeline_tests.failures.ground import Database
from solpay_pipeline_tests.rooms.events.ground import SECRET, Outbox, Receiver, receiving
from solpay_pipeline_tests.security.secrets.scene import API_KEY, DATABASE_PASSWORD, shop_with_secrets
from solpay_pipeline_tests.shop import Shop

pytestmark = pytest.mark.slow

AFTER_POST = Death("solpay_pipeline.events.sinks.webhook:WebhookSink._exchange", "after", 2)

HOURS_DOWN = 24
MOST_HOURS = 24 * 5
"""By then, of an outage of a day, everything has been delivered."""


@contextmanager
def _sink_to(url: str) -> Iterator[WebhookSink]:
    sink = WebhookSink(SecretStr(url), [SecretStr(SECRET)], timeout=0.2)
    try:
        yield sink
    finally:
        sink.close()


def _with_events(shop: Shop, count: int) -> list[str]:
    """So many payments, found and sent home: two events each."""
    shop.accept_sol()
    for _ in range(count):
        shop.pay_sol(shop.new_payment())
    shop.settle_chain()
    assert shop.run("recheck").swept == count
    return [event.event_id for event in shop.events()]


def _assert_in_order(receiver: Receiver, shop: Shop) -> None:
    """The first time that each event was taken, it came after all earlier ones of its payment."""
    first = list(dict.fromkeys(receiver.accepted))
    for payment_id in {event.payment_id for event in shop.events()}:
        ids = [event.event_id for event in shop.events() if event.payment_id == payment_id]
        assert [one for one in first if one in ids] == ids


def test_f20_a_receiver_that_is_down_for_a_day_then_slow_then_failing_gets_every_event_in_order(
    database: Database,
) -> None:
    with database.shop() as shop:
        ids = _with_events(shop, 4)
        outbox = Outbox(shop.deployment.engine, utc_now())
        with receiving() as gone:
            nowhere = gone.url
        with _sink_to(nowhere) as sink:
            for _ in range(HOURS_DOWN):
                outbox.deliver(sink)
                outbox.wait(hours=1)
        assert outbox.states() == ["waiting"] * len(ids), "a day is not long enough to give up"

        with receiving() as receiver, _sink_to(receiver.url) as sink:
            # It hangs, it fails, it takes one and says that it did not, and only then it works.
            receiver.answers = [5.0, 5.0, 500, 503, 500, 429, 204, 500]
            for _ in range(MOST_HOURS):
                outbox.deliver(sink)
                if outbox.states() == ["delivered"] * len(ids):
                    break
                outbox.wait(hours=1)
            assert outbox.states() == ["delivered"] * len(ids)
            assert set(receiver.accepted) == set(ids)
            assert len(receiver.requests) > len(ids), "some came twice"
            told: dict[str, set[str]] = {}
            for _, headers, body in receiver.requests:
                told.setdefault(headers["webhook-id"], set()).add(body)
            assert all(len(bodies) == 1 for bodies in told.values()), "the same id, the same words"
            _assert_in_order(receiver, shop)

            before = len(receiver.accepted)
            assert outbox.replay("webhook", since=outbox.now() - timedelta(days=30)) == len(ids)
            outbox.deliver(sink)
            assert sorted(receiver.accepted[before:]) == sorted(ids)


def test_f20_a_process_killed_after_its_post_tells_the_same_event_again_and_loses_none(
    database: Database, warm: Warm
) -> None:
    with database.shop() as shop, receiving() as receiver:
        ids = _with_events(shop, 2)
        environment = {
            **shop.environment(),
            "SOLPAY_WEBHOOK_URL": receiver.url,
            "SOLPAY_WEBHOOK_SECRET": SECRET,
        }
        assert warm.run(environment, "events", "deliver", death=AFTER_POST).was_killed
        assert 1 <= len(receiver.accepted) <= 2
        taken = list(receiver.accepted)
        # Its claim keeps others away until it has run out.
        outbox = Outbox(shop.deployment.engine, utc_now() + timedelta(hours=1))
        with _sink_to(receiver.url) as sink:
            for _ in range(3):
                outbox.deliver(sink)
                outbox.wait(hours=1)
        assert outbox.states() == ["delivered"] * len(ids)
        assert set(receiver.accepted) == set(ids)
        assert any(receiver.accepted.count(one) > 1 for one in taken), "told at least once, and so twice"
        assert len(receiver.accepted) <= len(ids) + len(taken)
        _assert_in_order(receiver, shop)


def test_f24_no_key_shows_in_logs_dagsters_store_tracebacks_reports_or_metrics(
    database: Database, warm: Warm
) -> None:
    with shop_with_secrets(database.folder, database.url) as scene:
        scene.shop.wait(hours=1)
        assert scene.run(warm, "maintain").returncode == 1
        # What goes wrong says most: a node that repeats the key, a database that is not there, a ledger that fails.
        refusal = Fault("rpc_error", code=-32600, message=f"api-key={API_KEY} is not good")
        scene.shop.node.faults.add(refusal)
        assert scene.run(warm, "sweep").returncode == 1
        scene.shop.node.faults.clear()
        unreachable = f"postgresql://shop:{DATABASE_PASSWORD}@127.0.0.1:9/shop"
        assert scene.run(warm, "sweep", SOLPAY_DATABASE_URL=unreachable).returncode in (1, 2)
        with scene.shop.deployment.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE solpay_movement RENAME TO solpay_movement_gone")
        scene.shop.pay_sol(scene.customers["frozen"])
        scene.shop.settle_chain()
        # Its keys are open and its transaction signed when the ledger fails.
        ended = scene.run(warm, "sweep")
        assert (ended.returncode, "solpay_movement" in ended.stderr) == (1, True)
        with scene.shop.deployment.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE solpay_movement_gone RENAME TO solpay_movement")
        for command in (("metrics",), ("report",), ("events", "list", "--json")):
            ended = scene.run(warm, *command)
            assert ended.stdout
        scene.run(warm, "rotate-keys")
        scene.assert_nothing_shows()
