"""`solpay audit`: who did what to the installation. No key is needed."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from solpay_pipeline.cli.common import NOT_ALL_DONE, open_ledger, settings_or_exit
from solpay_pipeline.wiring.environment import database_settings

if TYPE_CHECKING:
    from solpay_pipeline.ledger.audit import AuditEntry

audit_app = typer.Typer(help="Who did what to the installation.", no_args_is_help=True)


@audit_app.command("list")
def list_entries(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all entries, the oldest first."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger import audit

    with open_ledger(settings_or_exit(database_settings)) as database, reading(database.engine) as connection:
        entries = audit.entries(connection)
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in entries], indent=2))
    elif not entries:
        typer.echo("no entries")
    for one in [] if as_json else entries:
        typer.echo(_line(one))


@audit_app.command("verify")
def verify(
    head: Annotated[str | None, typer.Option(help="A head from an earlier `ops.` event or export.")] = None,
) -> None:
    """Check that every entry is as it was written and none is missing."""
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.ledger import audit

    with open_ledger(settings_or_exit(database_settings)) as database, reading(database.engine) as connection:
        verified = audit.verify(connection, known_head=head)
    for words in verified.broken:
        typer.echo(words)
    if verified.broken:
        raise typer.Exit(NOT_ALL_DONE)
    typer.echo(f"{verified.entries} entries are as they were written; the head is {verified.head}")


def _line(one: "AuditEntry") -> str:
    return f"{one.at:%Y-%m-%d %H:%M:%S}  {one.action:<16}  {one.subject}  by {one.operator} on {one.host}: {one.reason}"
