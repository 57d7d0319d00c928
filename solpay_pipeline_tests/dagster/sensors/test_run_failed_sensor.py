"""A failed run becomes an event, and a line that says what to do."""

import dagster as dg
import pytest

from solpay_pipeline.base.database import reading
from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.event_sensors import run_failed_sensor
from solpay_pipeline.defs.resources import Lending
from solpay_pipeline.ledger import audit
from solpay_pipeline_tests.dagster.jobs.conftest import Launch, hurried_location, run_job
from solpay_pipeline_tests.shop import Shop


def tell(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> None:
    """What the daemon does with a failed run."""
    (failed,) = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    with dg.build_run_status_sensor_context(
        sensor_name="run_failed_sensor",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=failed,
        resources=dict(defs.resources or {}),
    ).for_run_failure() as context:
        run_failed_sensor(context)


@pytest.fixture
def blocked(shop: Shop, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> dg.ExecuteInProcessResult:
    shop.accept_sol()
    monkeypatch.setenv("SOLPAY_CLUSTER", "devnet")
    return launch("sweep_job")


def test_a_failed_run_becomes_an_event_that_says_what_to_do(
    shop: Shop, instance: dg.DagsterInstance, blocked: dg.ExecuteInProcessResult
) -> None:
    tell(instance, blocked)
    (event,) = shop.events()
    assert (event.kind, event.payment_id, event.run_id) == ("ops.run_failed", None, blocked.run_id)
    assert event.body["job"] == "sweep_job"
    with reading(shop.engine) as connection:
        assert event.body["audit_head"] == audit.head(connection)
    assert "not devnet" in event.body["steps"]["sweep"]
    assert "not devnet" in event.body["what_to_do"]


def test_a_run_that_set_something_aside_says_so(
    shop: Shop, instance: dg.DagsterInstance, launch: Launch
) -> None:
    from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState

    shop.accept_sol()
    shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    result = launch("sweep_job")
    assert not result.success
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    with dg.build_run_status_sensor_context(
        sensor_name="run_failed_sensor",
        dagster_instance=instance,
        dagster_run=run,
        dagster_event=next(one for one in result.all_events if one.event_type_value == "PIPELINE_FAILURE"),
        resources=dict(defs.resources or {}),
    ).for_run_failure() as context:
        run_failed_sensor(context)
    event = shop.events()[-1]
    assert event.body["set_aside"] == "1"
    assert "what was set aside" in event.body["what_to_do"]


def test_foreign_words_are_not_told(shop: Shop, instance: dg.DagsterInstance) -> None:
    def explode() -> None:
        raise RuntimeError("the key is hunter2")

    tell(instance, run_job(hurried_location(vault=Lending(explode)), instance, "sweep_job"))
    (event,) = shop.events()
    assert event.body["steps"]["sweep"] == "RuntimeError"
    assert "hunter2" not in str(event.body)


def test_a_failed_delivery_makes_no_event_that_would_have_to_be_delivered(
    shop: Shop, instance: dg.DagsterInstance, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLPAY_EVENT_HANDLERS", "no.such.module:function")
    result = launch("deliver_events_job")
    assert not result.success
    tell(instance, result)
    assert shop.events() == []


def test_the_database_alone_is_enough_to_write_it(
    shop: Shop,
    instance: dg.DagsterInstance,
    blocked: dg.ExecuteInProcessResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in shop.environment():
        if name != "SOLPAY_DATABASE_URL":
            monkeypatch.delenv(name)
    tell(instance, blocked)
    (event,) = shop.events()
    assert event.run_id == blocked.run_id
