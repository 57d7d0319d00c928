"""The settings: one table, parsed and checked in one place."""
