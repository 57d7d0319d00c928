"""`solpay`: the operations from a shell, each as the Dagster job of its name, so that cron and UI do the same.

Exit codes: 0 all done; 1 something was set aside or failed; 2 bad settings or usage.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from solpay_pipeline.base.errors import SolpayError
from solpay_pipeline.base.interruption import stop_on_every_signal
from solpay_pipeline.base.startup import leaving
from solpay_pipeline.base.streams import open_closed_streams, say
from solpay_pipeline.cli.audit import audit_app
from solpay_pipeline.cli.common import BAD_USAGE, DONE, NOT_ALL_DONE
from solpay_pipeline.cli.demo import demo
from solpay_pipeline.cli.events import events_app
from solpay_pipeline.cli.init import init
from solpay_pipeline.cli.keys import rotate_keys
from solpay_pipeline.cli.localnet import localnet
from solpay_pipeline.cli.metrics import metrics
from solpay_pipeline.cli.operations import add_operations
from solpay_pipeline.cli.receiver import receiver_app
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
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    receiver_export: Annotated[
        Path | None,
        typer.Option(
            help="What `solpay receiver export` printed: is the ledger, after a restore, older than that?"
        ),
    ] = None,
) -> None:
    """Check settings, database, tables, endpoints, fee payer and receiver; change nothing."""
    from solpay_pipeline.cli.doctor import examine

    checks = examine(dict(os.environ), receiver_export)
    if as_json:
        typer.echo(json.dumps([check.as_json() for check in checks], indent=2))
    else:
        for check in checks:
            typer.echo(check.line())
    if any(check.is_setting and not check.passed for check in checks):
        raise typer.Exit(BAD_USAGE)
    raise typer.Exit(DONE if all(check.passed for check in checks) else NOT_ALL_DONE)


app.command()(init)
app.command()(localnet)
app.command()(demo)
app.command("rotate-keys")(rotate_keys)
app.command()(report)
app.command()(metrics)
app.add_typer(events_app, name="events")
app.add_typer(receiver_app, name="receiver")
app.add_typer(audit_app, name="audit")


def main() -> None:
    """The console command."""
    open_closed_streams()
    stop_on_every_signal()
    with leaving():
        try:
            app()
        except SolpayError as trouble:
            say(f"{type(trouble).__name__}: {trouble}")
            sys.exit(NOT_ALL_DONE)
