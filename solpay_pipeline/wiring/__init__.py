"""Settings become objects here, without Dagster: the database, the way to the chain, the keys, where events go."""
