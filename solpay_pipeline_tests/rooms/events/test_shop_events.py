"""From a change of a payment to a receiver: whole operations on the embedded chain, then delivery by the command line."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from solpay_pipeline.defs.event_sensors import deliver_events_sensor
from solpay_pipeline.defs.resources import RESOURCES
from solpay_pipeline_tests.command_line.warm import Death, Warm
from solpay_pipeline_tests.rooms.events.ground import SECRET, Receiver
from solpay_pipeline_tests.shop import Shop, open_shop

AFTER_POST = Death("solpay_pipeline.events.sinks.webhook:WebhookSink._exchange", "after")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def environment(shop: Shop, receiver: Receiver, **more: str) -> dict[str, str]:
    return shop.environment() | {"SOLPAY_WEBHOOK_URL": receiver.url, "SOLPAY_WEBHOOK_SECRET": SECRET} | more


def test_an_operation_tells_its_events_as_its_last_step(shop: Shop, receiver: Receiver, warm: Warm):
    paid, unpaid = shop.new_payment(), shop.new_payment(lasts=timedelta(minutes=1))
    shop.pay_sol(paid)
    shop.wait(minutes=2)

    ended = warm.run(environment(shop, receiver), "recheck", "--json")
    assert ended.returncode == 0, ended.stderr
    *_, told = ended.json()
    assert told["sinks"]["webhook"]["delivered"] == 2
    kinds = [(body["type"], body["data"]["payment_id"]) for body in receiver.bodies]
    assert kinds == [("payment.accepted", paid.payment_id), ("wallet.swept", paid.payment_id)]

    shop.finalize_chain()
    assert warm.run(environment(shop, receiver), "maintain").returncode == 0
    kinds = [(body["type"], body["data"]["payment_id"]) for body in receiver.bodies[2:]]
    assert set(kinds[:2]) == {("payment.finalized", paid.payment_id), ("payment.expired", unpaid.payment_id)}
    assert len(receiver.accepted) == len(shop.events())
    for customer in (paid, unpaid):
        written = [event.event_id for event in shop.events(customer)]
        assert [one for one in receiver.accepted if one in written] == written, "in order for each payment"


def test_a_dry_run_tells_nobody_anything(shop: Shop, receiver: Receiver, warm: Warm):
    shop.pay_sol(shop.new_payment())
    shop.settle_chain()
    shop.run("recheck")

    assert warm.run(environment(shop, receiver), "maintain", "--dry-run").returncode == 0
    assert receiver.requests == []

    ended = warm.run(environment(shop, receiver), "events", "deliver")
    assert "webhook: 2 delivered, 0 waiting" in ended.stdout
    assert len(receiver.accepted) == 2


@pytest.mark.slow
def test_killed_after_the_post_an_event_comes_again_with_the_same_id(
    shop: Shop, receiver: Receiver, warm: Warm
):
    shop.pay_sol(shop.new_payment())
    shop.settle_chain()
    shop.run("recheck")
    ids = [event.event_id for event in shop.events()]

    assert warm.run(environment(shop, receiver), "events", "deliver", death=AFTER_POST).was_killed
    assert receiver.accepted == ids[:1]

    # Its claim keeps others away until it has run out.
    warm.run(environment(shop, receiver), "events", "deliver")
    assert receiver.accepted == ids[:1]
    with shop.deployment.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE solpay_delivery SET claimed_until = '2020-01-01 00:00:00'")
    warm.run(environment(shop, receiver), "events", "deliver")

    assert receiver.accepted == [ids[0], *ids]
    assert receiver.requests[0][2] == receiver.requests[1][2]


@pytest.mark.slow
def test_an_operator_sees_retries_and_replays_events(shop: Shop, receiver: Receiver, warm: Warm):
    shop.pay_sol(shop.new_payment())
    shop.settle_chain()
    shop.run("recheck")
    ids = [event.event_id for event in shop.events()]
    receiver.status = 500
    given_up = environment(shop, receiver, SOLPAY_EVENT_TRIES="1")

    ended = warm.run(given_up, "events", "deliver")
    assert ended.returncode == 1
    assert f"solpay events retry {ids[0]}" in ended.stdout

    listed = warm.run(given_up, "events", "list", "--json").json()
    assert [(one["id"], one["state"]) for one in listed] == [(ids[0], "dead"), (ids[1], "dead")]
    assert listed[0]["deliveries"][0]["last_error"] == "the receiver answered 500"
    shown = json.loads(warm.run(given_up, "events", "show", ids[0]).stdout)
    assert shown["data"]["status"] == "confirmed"

    receiver.status = 200
    assert warm.run(given_up, "events", "retry").returncode == 0
    assert warm.run(given_up, "events", "deliver").returncode == 0
    assert receiver.accepted == ids
    assert warm.run(given_up, "events", "list").stdout == "no events\n"

    assert "2 events wait again" in warm.run(given_up, "events", "replay", "--from", "2020-01-01").stdout
    warm.run(given_up, "events", "deliver")
    assert receiver.accepted == ids * 2
    assert warm.run(given_up, "events", "retry", "evt_of_nobody").returncode == 1
    assert warm.run(given_up, "events", "show", "evt_of_nobody").returncode == 1


def test_a_handler_that_is_not_there_stops_the_delivery_and_says_so(
    shop: Shop, receiver: Receiver, warm: Warm
):
    ended = warm.run(environment(shop, receiver, SOLPAY_EVENT_HANDLERS="no.such:thing"), "events", "deliver")

    assert ended.returncode == 1
    assert "SOLPAY_EVENT_HANDLERS: no.such cannot be imported" in ended.stderr


def test_the_sensor_asks_for_a_delivery_only_when_something_is_due(
    shop: Shop, receiver: Receiver, warm: Warm, monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment(shop, receiver).items():
        monkeypatch.setenv(name, value)
    assert deliver_events_sensor.default_status is dg.DefaultSensorStatus.STOPPED
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources=dict(RESOURCES))
        assert isinstance(deliver_events_sensor(context), dg.SkipReason)
        shop.pay_sol(shop.new_payment())
        shop.settle_chain()
        shop.run("recheck")
        assert isinstance(deliver_events_sensor(context), dg.RunRequest)
        warm.run(environment(shop, receiver), "events", "deliver")
        assert isinstance(deliver_events_sensor(context), dg.SkipReason)
        monkeypatch.delenv("SOLPAY_WEBHOOK_URL")
        monkeypatch.delenv("SOLPAY_WEBHOOK_SECRET")
        skip = deliver_events_sensor(context)
        assert isinstance(skip, dg.SkipReason)
        assert "no webhook" in str(skip.skip_message)
