"""Settings become objects here, without Dagster."""
