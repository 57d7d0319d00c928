"""`solpay init`: tables, and what the ledger is bound to. No key is needed."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from solpay_pipeline.cli.common import NOT_ALL_DONE, refuse, settings_or_exit
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.settings.table import needed
from solpay_pipeline.wiring.environment import operating_settings

if TYPE_CHECKING:
    from solpay_pipeline.wiring.database import Database

# Who makes tables does not wait for an endpoint; the first run asks it again.
_RETRY_SECONDS = 3.0


def init(
    rebind_cluster: Annotated[
        bool,
        typer.Option(
            "--rebind-cluster",
            help="Bind the ledger to the cluster that a local or test network has become by its reset. Never mainnet.",
        ),
    ] = False,
    indexes: Annotated[
        bool,
        typer.Option(
            "--indexes",
            help="Also create the indexes on the shop's own tables that a large shop needs. No column changes.",
        ),
    ] = False,
) -> None:
    """Create what is missing in the database: the pipeline's own tables, and the peer's where there is no Django.

    A fresh ledger is bound to the cluster and the receiver of the settings.
    """
    from solpay_pipeline.base.database_trouble import DatabaseTrouble
    from solpay_pipeline.ledger.migrations import migrate
    from solpay_pipeline.records.indexes import create_indexes
    from solpay_pipeline.records.schema import create_peer_tables
    from solpay_pipeline.wiring.database import open_database

    settings = settings_or_exit(operating_settings)
    try:
        database = open_database(settings)
    except DatabaseTrouble as problem:
        refuse(f"SOLPAY_DATABASE_URL: {problem}")
    with closing(database):
        created = create_peer_tables(database.engine, database.tables)
        migrate.upgrade(database.engine)
        for name in created:
            typer.echo(f"created {name}")
        typer.echo("the pipeline's tables are up to date")
        if indexes:
            made = create_indexes(database.engine, database.tables)
            typer.echo(f"created {', '.join(made)}" if made else "all indexes are there")
        if rebind_cluster or not _is_bound(database):
            _bind(settings, database, rebind_cluster=rebind_cluster)


def _is_bound(database: "Database") -> bool:
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger import installation

    with reading(database.engine) as connection:
        return bool(installation.bound_cluster(connection) and installation.receivers(connection))


def _bind(settings: Settings, database: "Database", *, rebind_cluster: bool) -> None:
    from solpay_pipeline.base.errors import NeedsOperator, Passing
    from solpay_pipeline.operations import binding
    from solpay_pipeline.wiring.chain import chain_access
    from solpay_pipeline.wiring.deployment import watched

    shop = watched(database, chain_access(settings).retrying_for(_RETRY_SECONDS))
    receiver = needed(settings.receiver_address, "SOLPAY_RECEIVER_ADDRESS")
    now = datetime.now(UTC)
    try:
        served = asyncio.run(binding.served_to(shop, receiver))
        if rebind_cluster:
            binding.rebind_cluster(database.engine, served.genesis_hash, now)
        found = binding.bound(database.engine, served, receiver, now)
    except NeedsOperator as error:
        refuse(str(error))
    except Passing as error:
        typer.echo(f"the ledger is not bound yet, the first run does that: {error}", err=rebind_cluster)
        raise typer.Exit(NOT_ALL_DONE if rebind_cluster else 0) from None
    where = f"the receiver {receiver}" if found.obstacle is None else f"no receiver yet: {found.obstacle}"
    typer.echo(f"the ledger is bound to the cluster {served.genesis_hash} and to {where}")
