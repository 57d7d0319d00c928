"""The migrations make exactly the tables that the code works with, on each database, and can be taken back."""

from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.tables import metadata


def test_the_migrations_and_the_tables_of_the_code_agree(engine: sa.Engine):
    migrate.upgrade(engine)

    with reading(engine) as connection:
        assert migrate.is_current(connection)
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": migrate.VERSION_TABLE,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or (name or "").startswith("solpay_"),
            },
        )
        assert [one for one in compare_metadata(context, metadata) if one[0] != "remove_table"] == []
        names = {name for name in sa.inspect(connection).get_table_names() if name.startswith("solpay_")}
    assert names == {*metadata.tables, migrate.VERSION_TABLE}


def test_upgrading_twice_changes_nothing(engine: sa.Engine):
    migrate.upgrade(engine)
    migrate.upgrade(engine)

    with reading(engine) as connection:
        assert migrate.is_current(connection)


def test_a_database_of_the_first_version_keeps_its_events(engine: sa.Engine):
    _to(engine, "upgrade", "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO solpay_event (event_id, kind, payment_id, body, operation, run_id, created_at) "
            "VALUES ('evt_1', 'payment.expired', 7, '{}', 'expire', 'r', '2026-11-22 10:00:00')"
        )
    migrate.upgrade(engine)

    with reading(engine) as connection:
        assert connection.execute(sa.select(metadata.tables["solpay_event"].c.event_id)).scalars().all() == [
            "evt_1"
        ]


def test_offers_of_the_fourth_version_are_kept_and_know_no_decimals(engine: sa.Engine):
    _to(engine, "upgrade", "0004")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO solpay_offer (payment_address, fingerprint, expires_at, options, seen_at) "
            "VALUES ('address', 'print', '2026-11-22 10:00:00', '[]', '2026-11-22 09:00:00')"
        )
    migrate.upgrade(engine)

    offer = metadata.tables["solpay_offer"]
    with reading(engine) as connection:
        kept = connection.execute(sa.select(offer.c.payment_address, offer.c.decimals)).all()
    assert [tuple(row) for row in kept] == [("address", None)]


def test_the_migrations_can_be_taken_back(engine: sa.Engine):
    migrate.upgrade(engine)
    _to(engine, "downgrade", "base")

    with reading(engine) as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {migrate.VERSION_TABLE}


def _to(engine: sa.Engine, direction: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("solpay_pipeline.ledger") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)


def test_the_version_that_the_code_needs_is_the_head_of_the_migrations() -> None:
    folder = Path(migrate.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == migrate.newest()
