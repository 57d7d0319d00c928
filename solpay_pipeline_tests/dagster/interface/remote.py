"""What an operator does in the UI, as the GraphQL that the UI sends."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from solpay_pipeline_tests.dagster.jobs.webserver import Webserver

REPOSITORY = {"repositoryLocationName": "solpay", "repositoryName": "__repository__"}

BACKFILL = """mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
RETRY = """mutation Retry($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
PARTITIONS = """query Partitions($repository: RepositorySelector!, $name: String!) {
  partitionSetOrError(repositorySelector: $repository, partitionSetName: $name) {
    ... on PartitionSet {
      partitionStatusesOrError { ... on PartitionStatuses { results { partitionName runStatus } } }
    }
  }
}"""
STEPS = """query Steps($run: ID!) {
  runOrError(runId: $run) { ... on Run { status stepStats { stepKey status } } }
}"""
RUNS = """query Runs($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { runId status runConfigYaml tags { key value } } } }
}"""
START_SENSOR = """mutation Start($selector: SensorSelector!) {
  startSensor(sensorSelector: $selector) { __typename ... on Sensor { sensorState { id status } } }
}"""
STOP_SENSOR = """mutation Stop($id: String!) {
  stopSensor(id: $id) { __typename ... on StopSensorMutationResult { instigationState { status } } }
}"""
START_SCHEDULE = """mutation Start($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) {
    __typename
    ... on ScheduleStateResult { scheduleState { id status } }
  }
}"""
STOP_SCHEDULE = """mutation Stop($id: String!) {
  stopRunningSchedule(id: $id) { __typename ... on ScheduleStateResult { scheduleState { status } } }
}"""
TICKS = """query Ticks($selector: InstigationSelector!) {
  instigationStateOrError(instigationSelector: $selector) {
    ... on InstigationState { status ticks(limit: 50) { status timestamp runIds skipReason } }
  }
}"""
CHECKS = """query Checks($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks { checks { name executionForLatestMaterialization { status } } }
      }
    }
  }
}"""
REPORT = """query Report($asset: AssetKeyInput!, $day: String!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetMaterializations(partitions: [$day], limit: 1) {
        metadataEntries { label ... on IntMetadataEntry { intRepr } }
      }
    }
  }
}"""

CHECK_NAMES = (
    "settlements.books_balance",
    "open_payments.everything_has_evidence",
    "wallet_states.nothing_waits_too_long",
    "operation_costs.nothing_is_overdue_in_flight",
)
"""Every report with its check."""

Found = TypeVar("Found")


def eventually(ask: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """The first answer that is one."""
    deadline = time.monotonic() + seconds
    while (found := ask()) is None:
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.5)
    return found


def backfill(served: Webserver, days: list[str]) -> str:
    """Launch a backfill of recheck over these days."""
    selector = {"partitionSetName": "recheck_job_partition_set", "repositorySelector": REPOSITORY}
    params = {"selector": selector, "partitionNames": days}
    answer = served.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def days_of_recheck(served: Webserver) -> dict[str, str | None]:
    """The state of each day, None where it never ran."""
    answer = served.ask(PARTITIONS, repository=REPOSITORY, name="recheck_job_partition_set")
    results = answer["partitionSetOrError"]["partitionStatusesOrError"]["results"]
    return {one["partitionName"]: one["runStatus"] for one in results}


def retry_from_failure(served: Webserver, run: str) -> str:
    """What the button `Re-execute from failure` does."""
    answer = served.ask(RETRY, params={"parentRunId": run, "strategy": "FROM_FAILURE"})
    assert answer["launchRunReexecution"]["__typename"] == "LaunchRunSuccess", answer
    return str(answer["launchRunReexecution"]["run"]["runId"])


def steps(served: Webserver, run: str) -> dict[str, str]:
    """How each step that ran has ended."""
    return {one["stepKey"]: one["status"] for one in served.ask(STEPS, run=run)["runOrError"]["stepStats"]}


def runs(served: Webserver, **filters: Any) -> list[dict[str, Any]]:
    """Runs by the UI's filters, the newest first."""
    return list(served.ask(RUNS, filter=filters)["runsOrError"]["results"])


def switch_on(served: Webserver, name: str) -> str:
    """Turn a sensor or a schedule on; gives the id to turn it off by."""
    if name.endswith("_sensor"):
        answer = served.ask(START_SENSOR, selector={**REPOSITORY, "sensorName": name})["startSensor"]
        state = answer["sensorState"]
    else:
        answer = served.ask(START_SCHEDULE, selector={**REPOSITORY, "scheduleName": name})["startSchedule"]
        state = answer["scheduleState"]
    assert state["status"] == "RUNNING", answer
    return str(state["id"])


def switch_off(served: Webserver, name: str, instigator: str) -> None:
    """Turn it off again."""
    if name.endswith("_sensor"):
        answer = served.ask(STOP_SENSOR, id=instigator)["stopSensor"]["instigationState"]
    else:
        answer = served.ask(STOP_SCHEDULE, id=instigator)["stopRunningSchedule"]["scheduleState"]
    assert answer["status"] == "STOPPED", answer


def ticks(served: Webserver, name: str) -> list[dict[str, Any]]:
    """The ticks of a sensor or schedule, the newest first."""
    state = served.ask(TICKS, selector={**REPOSITORY, "name": name})["instigationStateOrError"]
    return list(state["ticks"])


def checks(served: Webserver) -> dict[str, str | None]:
    """How the check of each report's last making has ended."""
    found: dict[str, str | None] = {}
    for asset in (name.split(".")[0] for name in CHECK_NAMES):
        answer = served.ask(CHECKS, asset={"path": [asset]})["assetNodeOrError"]["assetChecksOrError"]
        for one in answer["checks"]:
            execution = one["executionForLatestMaterialization"]
            found[f"{asset}.{one['name']}"] = None if execution is None else execution["status"]
    return found


def totals(served: Webserver, asset: str, day: str) -> dict[str, int]:
    """The numbers of a day's report."""
    (made,) = served.ask(REPORT, asset={"path": [asset]}, day=day)["assetNodeOrError"][
        "assetMaterializations"
    ]
    return {one["label"]: int(one["intRepr"]) for one in made["metadataEntries"] if one.get("intRepr")}
