"""`solpay report`: the reports of some days on a terminal, as JSON or as CSV, the same frames that the assets show."""

import asyncio
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from solpay_pipeline.cli.common import NOT_ALL_DONE, refuse, settings_or_exit
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring.environment import chain_settings

if TYPE_CHECKING:
    from solpay_pipeline.reports.report import Report
    from solpay_pipeline.reports.window import Window


# A pipe has no width of its own.
_WIDTH = 160


def report(
    day: Annotated[
        str | None, typer.Option("--day", help="A UTC day such as 2026-11-22; today where none is given.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="The first of several days.")] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="The last of several days; today where none is given.")
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print one report as CSV, amounts in base units.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all reports as JSON.")] = False,
    name: Annotated[
        str,
        typer.Option(
            "--report",
            help="Which one as CSV: settlements, open_payments, wallet_states or operation_costs.",
        ),
    ] = "settlements",
) -> None:
    """Tell what some days came to: settlements per mint, open payments, wallets, costs. Reads only."""
    settings = settings_or_exit(chain_settings)
    from solpay_pipeline.base.database_trouble import DatabaseTrouble
    from solpay_pipeline.chain.rpc.errors import ChainError
    from solpay_pipeline.reports.extra import ReportsNotInstalled, needing_reports
    from solpay_pipeline.reports.window import BadDay, window_of

    try:
        with needing_reports():
            from solpay_pipeline.reports.report import REPORTS
    except ReportsNotInstalled as missing:
        refuse(str(missing))

    if name not in REPORTS:
        refuse(f"--report: {name!r} is none of {', '.join(REPORTS)}")
    if as_csv and as_json:
        refuse("--csv and --json: choose one")
    if day is not None and (first is not None or last is not None):
        refuse("--day is one day; --from and --to are several")
    if last is not None and first is None:
        refuse("--to needs --from")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        window = window_of(day or first or today, (last or today) if first else None)
        made = _read(settings, window)
    except BadDay as bad:
        refuse(str(bad))
    except (DatabaseTrouble, ChainError) as problem:
        Console(stderr=True).print(str(problem), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(NOT_ALL_DONE) from None
    if as_json:
        typer.echo(json.dumps(made.as_json(), indent=2))
    elif as_csv:
        typer.echo(_csv(made, name), nl=False)
    else:
        console = Console()
        _show(made, console if console.is_terminal else Console(width=_WIDTH))


_TITLES = {
    "settlements": "Settlements, in whole tokens",
    "open_payments": "Open payments by age",
    "wallet_states": "Wallets",
    "operation_costs": "What operations cost, in SOL",
}


def _read(settings: Settings, window: "Window") -> "Report":
    from solpay_pipeline.base.database import reading
    from solpay_pipeline.reports.decimals import decimals_of
    from solpay_pipeline.reports.report import build_report
    from solpay_pipeline.reports.settlements import known_mints
    from solpay_pipeline.wiring.deployment import shop_of

    with shop_of(settings) as shop:
        with reading(shop.engine) as connection:
            mints = known_mints(connection, shop.tables)
        decimals = asyncio.run(decimals_of(shop, mints))
        with reading(shop.engine) as connection:
            return build_report(connection, shop.tables, window, decimals, datetime.now(UTC))


def _csv(report: "Report", name: str) -> str:
    import pandas as pd

    from solpay_pipeline.reports.report import records_of

    kept = io.StringIO()
    frame = pd.DataFrame(records_of(report.frames[name]), columns=report.frames[name].columns, dtype=object)
    frame.to_csv(kept, index=False)
    return kept.getvalue()


def _show(report: "Report", console: Console) -> None:
    """One table for each report, rows of zeroes left out."""
    from solpay_pipeline.reports.report import shown_rows

    for name, frame in report.frames.items():
        table = Table(title=_TITLES[name], title_justify="left", box=None, pad_edge=False)
        first, *numbers = (str(column) for column in frame.columns if column != "decimals")
        table.add_column(first.replace("_", " "), no_wrap=True)
        for column in numbers:
            table.add_column(column.replace("_", " "), justify="right")
        for row in shown_rows(frame):
            if any(row[column] != "0" for column in numbers):
                table.add_row(_short(row[first]), *(row[column] for column in numbers))
        console.print(table)
        console.print()


def _short(text: str) -> str:
    """A mint by its beginning; JSON and CSV have all of it."""
    return f"{text[:8]}…" if len(text) > 40 else text
