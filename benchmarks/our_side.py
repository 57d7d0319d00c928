"""One operation of ours without Dagster and without the start of a process: `python -m benchmarks.our_side sweep`.

Settings come from the environment, options as JSON. The last line printed is JSON.
"""

import asyncio
import json
import os
import resource
import sys
import time
import uuid

from solpay_pipeline.operations.options import Options
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.resources import merchant_of
from solpay_pipeline.settings import Settings


def main() -> None:
    operation, options = sys.argv[1], Options(**json.loads(sys.argv[2]))
    before = _memory()
    started, cpu = time.perf_counter(), _cpu()
    merchant = merchant_of(Settings.from_environment(os.environ))
    outcome = asyncio.run(run_operation(merchant, operation, options, uuid.uuid4().hex))
    told = {
        "wall": time.perf_counter() - started,
        "cpu": _cpu() - cpu,
        "memory": _memory(),
        "memory_before": before,
        "set_aside": len(outcome.set_aside),
        "stopped": outcome.stopped_reason,
        "rpc_calls": dict(outcome.rpc_calls),
    }
    print("\n" + json.dumps(told))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory() -> float:
    """Mebibytes at the peak so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
