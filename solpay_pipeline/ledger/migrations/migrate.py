"""Upgrades the `solpay_*` tables to the version this code needs. Only an upgrade imports Alembic.

Every operation checks the version first, and Alembic would be a sixth of a command's imports.
"""

from functools import cache
from importlib.resources import as_file, files

from sqlalchemy import Connection, Engine, String, column, inspect, select, table

from solpay_pipeline.base.errors import Blocked

VERSION_TABLE = "solpay_alembic_version"


def upgrade(engine: Engine) -> None:
    """Apply the missing migrations."""
    with engine.begin() as connection:
        _run(connection)


def is_current(connection: Connection) -> bool:
    """Whether the tables are at the newest version."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    version = select(column("version_num", String)).select_from(table(VERSION_TABLE))
    return list(connection.execute(version).scalars()) == [newest()]


def require_current(connection: Connection) -> None:
    """Raise `Blocked` where our own tables are not of this version."""
    if not is_current(connection):
        raise Blocked("the pipeline's tables are missing or of another version: run `solpay init`")


@cache
def newest() -> str:
    """The version this code needs: a migration's file name begins with its revision, and revisions count up."""
    versions = files("solpay_pipeline.ledger") / "migrations" / "versions"
    return max(each.name.partition("_")[0] for each in versions.iterdir() if each.name[:1].isdigit())


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    with as_file(files("solpay_pipeline.ledger") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
