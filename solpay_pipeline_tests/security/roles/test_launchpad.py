"""Who has the whole of the UI and its GraphQL: he may launch what an operator may, and gets neither money nor a key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair

from solpay_pipeline_tests.dagster.interface import remote
from solpay_pipeline_tests.dagster.jobs.webserver import OVER, Webserver, serving
from solpay_pipeline_tests.security.secrets.needles import files_below, found
from solpay_pipeline_tests.security.secrets.scene import Scene, shop_with_secrets

LAUNCH = """mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message stack }
  }
}"""
EVERYTHING_TOLD = (
    "{ instance { info runLauncher { name } daemonHealth { allDaemonStatuses { daemonType lastHeartbeatErrors { message } } } } }",
    "{ workspaceOrError { ... on Workspace { locationEntries { name displayMetadata { key value } } } } }",
    """{ repositoriesOrError { ... on RepositoryConnection { nodes {
         displayMetadata { key value }
         allTopLevelResourceDetails { name description configuredValues { key value type } configFields { name } }
         pipelines { name runTags { key value } }
       } } } }""",
    "{ runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } } } } }",
)
LOGS = """query Logs($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  __typename
  ... on MessageEvent { message }
  ... on ExecutionStepFailureEvent { error { message stack causes { message stack } } }
  ... on EngineEvent { error { message stack } markerStart }
} } } }"""
SET_CURSOR = """mutation Cursor($selector: SensorSelector!, $cursor: String) {
  setSensorCursor(sensorSelector: $selector, cursor: $cursor) { __typename }
}"""
DRY_TICK = """mutation Tick($selector: SensorSelector!, $cursor: String) {
  sensorDryRun(selectorData: $selector, cursor: $cursor) { __typename ... on PythonError { message stack } }
}"""
JOBS = ("expire_job", "sweep_job", "reclaim_job", "recheck_job", "maintenance_job", "deliver_events_job")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with shop_with_secrets(tmp_path) as made:
        yield made


def launch(served: Webserver, job: str, config: Any, **metadata: Any) -> Any:
    selector = {**remote.REPOSITORY, "jobName": job}
    params = {"selector": selector, "runConfigData": config, "mode": "default", "executionMetadata": metadata}
    return served.ask(LAUNCH, params=params)["launchRun"]


def forbidden(thief: str) -> Iterator[dict[str, Any]]:
    """What a thief would say, in each place of a run's config."""
    wishes = {
        "receiver_address": thief,
        "rpc_urls": "http://127.0.0.1:9",
        "underpayment_tolerance": "99%",
        "webhook_url": "http://127.0.0.1:9",
        "event_handlers": ["os:system"],
        "check_history": False,
    }
    for name, value in wishes.items():
        yield {"ops": {"config": {name: value}}}
        for resource in ("vault", "rpc", "database", "events", "io_manager"):
            yield {"resources": {resource: {"config": {name: value}}}}


@pytest.mark.slow
def test_no_lamport_no_underpaid_payment_no_key_and_no_code_is_to_be_had_in_the_ui(
    scene: Scene, tmp_path: Path
) -> None:
    shop, thief = scene.shop, Keypair().pubkey()
    money_at_others = shop.seed.lamports(thief)
    answers: list[tuple[str, bytes]] = []
    with serving(tmp_path, scene.environment()) as served:
        for job in JOBS:
            for config in forbidden(str(thief)):
                answer = launch(served, job, config)
                assert answer["__typename"] == "RunConfigValidationInvalid", (job, config, answer)
                answers.append((job, json.dumps(answer).encode()))
        begun = []
        for job, chosen in (
            (
                "recheck_job",
                {"payment_ids": [one.payment_id for one in scene.customers.values()], "limit": 1},
            ),
            ("sweep_job", {"sweep_held_funds": True, "discover_accounts": True}),
            ("maintenance_job", {"max_runtime_seconds": 60.0}),
        ):
            tags = [
                {"key": "solpay/receiver", "value": str(thief)},
                {"key": "dagster/max_retries", "value": "3"},
                {"key": "dagster/agent_id", "value": f"$(touch {tmp_path}/touched)"},
            ]
            answer = launch(served, job, {"ops": {"config": chosen}}, tags=tags)
            begun.append(answer["run"]["runId"])
        selector = {**remote.REPOSITORY, "sensorName": "recheck_sensor"}
        for cursor in ('{"after": -1}', '{"after": "1; DROP TABLE x"}', "[" * 5_000, str(thief)):
            answers.append(
                ("cursor", json.dumps(served.ask(SET_CURSOR, selector=selector, cursor=cursor)).encode())
            )
            answers.append(
                ("tick", json.dumps(served.ask(DRY_TICK, selector=selector, cursor=cursor)).encode())
            )
        for run in begun:
            assert served.end_of(run) in OVER
            answers.append(("logs", json.dumps(served.ask(LOGS, run=run)).encode()))
        answers += [("told", json.dumps(served.ask(query)).encode()) for query in EVERYTHING_TOLD]

    assert shop.status(scene.customers["short"]) != "confirmed"
    assert shop.state(scene.customers["good"]) == "sent_funds"
    assert shop.seed.lamports(thief) == money_at_others == 0
    paid_out = set(_destinations(scene))
    receiver = {str(shop.receiver), *(str(shop.ata(shop.receiver, mint)) for mint in shop.mints)}
    assert paid_out <= receiver | {str(shop.fee_payer.pubkey())}
    assert not (tmp_path / "touched").exists()
    assert len(answers) > len(JOBS)
    assert found(scene.secrets(), [*answers, *files_below(scene.home)]) == []


def _destinations(scene: Scene) -> list[str]:
    """Where all that our ledger ever moved went."""
    with scene.shop.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT DISTINCT destination FROM solpay_movement").scalars())
