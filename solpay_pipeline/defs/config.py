"""Run config: what may be chosen of a run, shown once for a job and spread over its ops.

The fields are those of `wiring.choices`; nothing else of a run can be said in the Launchpad. It goes through a graph
and not through its job, since a job with partitions takes no mapping of its own.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from solpay_pipeline.wiring.choices import (
    DeliverChoices,
    ExpireChoices,
    MaintainChoices,
    OperationChoices,
    RecheckChoices,
    SweepChoices,
)


class OperationConfig(OperationChoices, dg.Config):
    """Run config of reclaim, and what is in that of all operations."""


class ExpireConfig(ExpireChoices, dg.Config):
    """Run config of expire."""


class SweepConfig(SweepChoices, dg.Config):
    """Run config of sweep."""


class RecheckConfig(RecheckChoices, dg.Config):
    """Run config of recheck."""


class MaintainConfig(MaintainChoices, dg.Config):
    """Run config of maintenance."""


class DeliverConfig(DeliverChoices, dg.Config):
    """Run config of the delivery of events."""


def one_config(shown: type[dg.Config], **ops: type[dg.Config]) -> dg.ConfigMapping:
    """Show one config for a whole job, and give each op the fields of it that it has."""

    def spread(given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            op: {"config": {name: value for name, value in given.items() if name in config.model_fields}}
            for op, config in ops.items()
        }

    return dg.ConfigMapping(config_fn=spread, config_schema=shown.to_config_schema())


def run_config(choices: OperationChoices | DeliverChoices) -> dict[str, Any]:
    """The run config that says these choices."""
    return {"ops": {"config": choices.model_dump()}}


def chosen(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choices that a run config says; those left out are not there."""
    ops = config.get("ops") or {}
    return ops.get("config") or {}
