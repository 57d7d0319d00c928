"""Brings the `solpay_*` tables to the version this code needs, by Alembic."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

VERSION_TABLE = "solpay_alembic_version"


def upgrade(engine: Engine) -> None:
    """Apply the migrations that are missing. Doing it again changes nothing."""
    with engine.begin() as connection:
        _run(connection)


def is_current(connection: Connection) -> bool:
    """Tell whether the tables are at the newest version."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    with as_file(files("solpay_pipeline.ledger") / "migrations") as folder:
        newest = ScriptDirectory(str(folder)).get_current_head()
    return context.get_current_revision() == newest


def _run(connection: Connection) -> None:
    with as_file(files("solpay_pipeline.ledger") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
