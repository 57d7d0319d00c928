"""Resources can be replaced by others: an op and a sensor run on what a test hands them, without any setting."""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from pydantic import SecretStr

from solpay_pipeline.chain.rpc.client import Endpoint, RpcOptions
from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.event_sensors import deliver_events_sensor
from solpay_pipeline.defs.recheck_sensor import recheck_sensor
from solpay_pipeline.defs.resources import Lending
from solpay_pipeline.events.message import Message, Undelivered
from solpay_pipeline.ledger.spending import SpendingLimits
from solpay_pipeline.lifecycle.judgement import EXACT
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.wiring.chain import ChainAccess
from solpay_pipeline.wiring.choices import Judging
from solpay_pipeline.wiring.database import Database
from solpay_pipeline.wiring.sinks import Sinks
from solpay_pipeline.wiring.wallets import Wallets
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET
from solpay_pipeline_tests.dagster.jobs.reading import failure_of, metadata_of, retries_of
from solpay_pipeline_tests.shop import Shop, open_shop


class Ears:
    """A sink that hears everything."""

    name = "ears"
    at_once = 10
    patience = 5.0

    def __init__(self) -> None:
        self.heard: list[str] = []

    def send(self, messages: list[Message], report: Callable[[Message, Undelivered | None], None]) -> None:
        for message in messages:
            self.heard.append(message.type)
            report(message, None)

    def close(self) -> None: ...


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop of which the environment knows nothing."""
    for name in [*os.environ]:
        if name.startswith("SOLPAY_"):
            monkeypatch.delenv(name)
    with open_shop(tmp_path) as made:
        made.accept_sol()
        yield made


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def resources(shop: Shop, ears: Ears) -> dict[str, object]:
    own = shop.deployment
    chain = ChainAccess(
        endpoints=(Endpoint(SecretStr(shop.node.url)),),
        options=RpcOptions(retry_window_seconds=1.0),
        cluster="localnet",
        commitment=Commitment.CONFIRMED,
        acceptance=Commitment.CONFIRMED,
        transaction_version=0,
        max_priority_fee=0,
        spending=SpendingLimits(),
        judging=Judging(tolerance=EXACT, watch_days=7),
    )
    return {
        "database": Lending(lambda: Database(own.engine, own.tables)),
        "rpc": Lending(lambda: chain),
        "vault": Lending(lambda: Wallets(own.vault, own.fee_payer, own.receiver)),
        "events": Lending(lambda: Sinks(("ears",), 3, lambda: nullcontext([ears]))),
    }


def test_a_job_runs_on_what_it_is_handed(
    shop: Shop, resources: dict[str, object], ears: Ears, instance: dg.DagsterInstance
) -> None:
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    result = defs.resolve_job_def("recheck_job").execute_in_process(
        run_config=QUIET, instance=instance, resources=resources
    )
    assert metadata_of(result, "recheck")["accepted"] == 1
    assert shop.state(customer) == "sent_funds"
    assert ears.heard == ["payment.accepted", "wallet.swept"]


def test_sensors_look_at_what_they_are_handed(
    shop: Shop, resources: dict[str, object], instance: dg.DagsterInstance
) -> None:
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    (request,) = _tick(recheck_sensor, instance, resources, "database", "rpc").run_requests or ()
    assert request.run_config["ops"]["config"]["payment_ids"] == [customer.payment_id]

    assert not _tick(deliver_events_sensor, instance, resources, "database", "events").run_requests
    shop.run("recheck")
    assert _tick(deliver_events_sensor, instance, resources, "database", "events").run_requests


def _tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, resources: dict[str, object], *needed: str
) -> SensorExecutionData:
    """A tick that is handed what it needs and nothing beside."""
    given = {name: resources[name] for name in needed}
    repository = defs.get_repository_def()
    with dg.build_sensor_context(instance, repository_def=repository, resources=given) as context:
        return sensor.evaluate_tick(context)


def test_without_resources_of_its_own_a_run_names_the_setting_that_is_missing(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    result = defs.resolve_job_def("sweep_job").execute_in_process(
        run_config=QUIET, instance=instance, raise_on_error=False
    )
    assert "SOLPAY_" in failure_of(result, "sweep")
    assert retries_of(result, "sweep") == []
