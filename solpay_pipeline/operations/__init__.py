"""The business, without Dagster: expire, sweep, reclaim, recheck, each after settling what is in flight."""
