"""A sweep in a process of its own, to be killed: `python -m solpay_pipeline_tests.money.sweeping`."""

import asyncio
import os
import sys

from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring.deployment import deployment_of

if __name__ == "__main__":
    deployment = deployment_of(Settings.from_environment(os.environ))
    asyncio.run(run_operation(deployment, sys.argv[1], Options(), f"killed {sys.argv[1]}"))
