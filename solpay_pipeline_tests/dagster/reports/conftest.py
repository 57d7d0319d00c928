"""The fixtures of the jobs' tests: a shop whose settings are this process's environment, and an instance."""

from solpay_pipeline_tests.dagster.jobs.conftest import instance, launch, location, shop

__all__ = ["instance", "launch", "location", "shop"]
