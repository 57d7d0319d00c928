"""What a run left behind, as the tests ask for it."""

from typing import Any

import dagster as dg


def metadata_of(result: dg.ExecuteInProcessResult, op: str) -> dict[str, Any]:
    """The metadata of an op's output, by name, as plain values."""
    for event in result.events_for_node(op):
        if event.event_type_value == "STEP_OUTPUT":
            return {name: _plain(value) for name, value in event.step_output_data.metadata.items()}
    raise AssertionError(f"{op} has no output")


def retries_of(result: dg.ExecuteInProcessResult, op: str) -> list[float | None]:
    """The seconds that each retry of an op was told to wait."""
    return [
        event.step_retry_data.seconds_to_wait
        for event in result.events_for_node(op)
        if event.event_type_value == "STEP_UP_FOR_RETRY"
    ]


def failure_of(result: dg.ExecuteInProcessResult, op: str) -> str:
    """The description of an op's failure."""
    told = result.failure_data_for_node(op)
    assert told is not None, f"{op} has not failed"
    assert told.user_failure_data is not None, told.error
    return told.user_failure_data.description or ""


def _plain(value: dg.MetadataValue[Any]) -> Any:
    if isinstance(value, dg.TableMetadataValue):
        return [record.data for record in value.records]
    return value.value
