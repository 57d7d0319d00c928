"""The settings of this process's environment: the one place that reads them, and says which work needs which.

Whoever needs less asks for less, so that what only looks at the database runs where there is neither chain nor key.
Each raises `BadSetting` for all settings that are missing, bad or misspelt.
"""

import os

from solpay_pipeline.settings.model import Settings, Timetable, need_of, read_timetable
from solpay_pipeline.settings.table import Need


def database_settings() -> Settings:
    """The database, its tables, and where events go."""
    return Settings.from_environment(os.environ, need=Need.DATABASE)


def chain_settings() -> Settings:
    """What it takes to look at the chain."""
    return Settings.from_environment(os.environ, need=Need.WATCH)


def operating_settings() -> Settings:
    """What it takes to write, but for what is signed: no key."""
    return Settings.from_environment(os.environ, need=Need.OPERATE)


def acting_settings() -> Settings:
    """Everything that a run may use: with the keys where the environment has any, else without."""
    return Settings.from_environment(os.environ, need=need_of(os.environ))


def signing_settings() -> Settings:
    """Everything, keys included, for what is nothing without them."""
    return Settings.from_environment(os.environ)


def timetable() -> Timetable:
    """When Dagster looks and runs by itself."""
    return read_timetable(os.environ)
