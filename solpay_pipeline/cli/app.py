"""`solpay`: the operations from a shell, each as the Dagster job of its name, so that cron and UI do the same.

Exit codes: 0 all done; 1 something was set aside or failed; 2 bad settings or usage.
"""

import json
import os
from typing import Annotated

import typer

from solpay_pipeline.base.startup import leaving
from solpay_pipeline.cli.common import BAD_USAGE, DONE, NOT_ALL_DONE, refuse, settings_or_exit
from solpay_pipeline.cli.demo import demo
from solpay_pipeline.cli.events import events_app
from solpay_pipeline.cli.keys import rotate_keys
from solpay_pipeline.cli.localnet import localnet
from solpay_pipeline.cli.metrics import metrics
from solpay_pipeline.cli.operations import add_operations
from solpay_pipeline.cli.report import report

app = typer.Typer(
    name="solpay",
    help="Keeps one-time Solana payment wallets healthy and moves the money home.",
    no_args_is_help=True,
    add_completion=False,
    # Frames hold keys; a traceback must not print them.
    pretty_exceptions_enable=False,
)
add_operations(app)


@app.command()
def init() -> None:
    """Create what is missing in the database: the pipeline's own tables, and the peer's where there is no Django."""
    from solpay_pipeline.base.database import DatabaseProblem
    from solpay_pipeline.ledger import migrate
    from solpay_pipeline.records.schema import create_peer_tables
    from solpay_pipeline.wiring.database import open_database

    settings = settings_or_exit()
    try:
        database = open_database(settings)
    except DatabaseProblem as problem:
        refuse(f"SOLPAY_DATABASE_URL: {problem}")
    created = create_peer_tables(database.engine, database.tables)
    migrate.upgrade(database.engine)
    for name in created:
        typer.echo(f"created {name}")
    typer.echo("the pipeline's tables are up to date")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, database, tables, endpoints, fee payer and receiver; change nothing."""
    from solpay_pipeline.cli.doctor import examine

    checks = examine(dict(os.environ))
    if as_json:
        typer.echo(json.dumps([check.as_json() for check in checks], indent=2))
    else:
        for check in checks:
            typer.echo(check.line())
    if any(check.is_setting and not check.passed for check in checks):
        raise typer.Exit(BAD_USAGE)
    raise typer.Exit(DONE if all(check.passed for check in checks) else NOT_ALL_DONE)


app.command()(localnet)
app.command()(demo)
app.command("rotate-keys")(rotate_keys)
app.command()(report)
app.command()(metrics)
app.add_typer(events_app, name="events")


def main() -> None:
    """The console command."""
    with leaving():
        app()
