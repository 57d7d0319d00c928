"""`python -m solpay_pipeline.contrib.run_workers RUN_ID` carries out one run of the instance of $DAGSTER_HOME.

What Dagster's own workers run is named by the run's row in the instance's database, so that whoever can write there has
code of his run where the keys are. This one runs the jobs of this package and nothing else.
"""

import sys

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._grpc.impl import core_execute_run
from dagster._utils.interrupts import capture_interrupts

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.contrib.run_workers.commands import checked_id

_WAITING = frozenset(
    {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING}
)


class NoSuchRun(NeedsOperator):
    """The instance has no such run that waits for a worker."""


def execute(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Carry out a run that waits; tells whether it was a success. Raises `BadRunId`, `NoSuchRun`."""
    run = instance.get_run_by_id(checked_id(run_id))
    if run is None or run.status not in _WAITING:
        raise NoSuchRun(f"the instance has no run {run_id} that waits for a worker")
    repository = ReconstructableRepository.for_module("solpay_pipeline.definitions", "defs")
    job = repository.get_reconstructable_job(run.job_name)
    return not any(
        event.is_run_failure for event in core_execute_run(job, run, instance, inject_env_vars=False)
    )


def main() -> int:
    """The exit code: 0 for a success, 1 for a failure, 2 where nothing was begun."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m solpay_pipeline.contrib.run_workers RUN_ID\n")
        return 2
    with capture_interrupts(), dg.DagsterInstance.get() as instance:
        try:
            return 0 if execute(instance, sys.argv[1]) else 1
        except NeedsOperator as error:
            sys.stderr.write(f"{error}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main())
