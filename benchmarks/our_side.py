"""One operation of ours without Dagster and without the start of a process: `python -m benchmarks.our_side sweep`.

Settings come from the environment, options as JSON. The last line printed is JSON.
"""

import asyncio
import json
import os
import sys
import time
import uuid

from benchmarks.processes import own_cpu_seconds, own_peak_memory
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring.deployment import deployment_of


def main() -> None:
    operation, options = sys.argv[1], Options(**json.loads(sys.argv[2]))
    before = own_peak_memory()
    started, cpu = time.perf_counter(), own_cpu_seconds()
    deployment = deployment_of(Settings.from_environment(os.environ))
    outcome = asyncio.run(run_operation(deployment, operation, options, uuid.uuid4().hex))
    told = {
        "wall": time.perf_counter() - started,
        "cpu": own_cpu_seconds() - cpu,
        "memory": own_peak_memory(),
        "memory_before": before,
        "set_aside": len(outcome.set_aside),
        "stopped": outcome.stopped_reason,
        "rpc_calls": dict(outcome.rpc_calls),
    }
    print("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
