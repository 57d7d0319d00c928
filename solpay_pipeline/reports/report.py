"""All reports of some days together, and how a frame is written for people and machines."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pandas as pd
from sqlalchemy import Connection

from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.reports import operation_costs as costs_report
from solpay_pipeline.reports import settlements as settlements_report
from solpay_pipeline.reports.open_payments import open_payments
from solpay_pipeline.reports.wallet_states import wallet_states
from solpay_pipeline.reports.window import Window

REPORTS: Final = ("settlements", "open_payments", "wallet_states", "operation_costs")

AMOUNTS: Final = frozenset({"accepted", "swept", "withheld", "rent_back", "fees", "held"})
"""Columns of base units or lamports: in JSON they are strings, since many a reader makes floats of large numbers."""


@dataclass(frozen=True, slots=True)
class Report:
    """One frame for each name of `REPORTS`."""

    window: Window
    frames: Mapping[str, pd.DataFrame]

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "from": self.window.start.isoformat(),
            "until": self.window.end.isoformat(),
            **{name: records_of(frame) for name, frame in self.frames.items()},
        }


def build_frame(
    name: str,
    connection: Connection,
    tables: PeerTables,
    window: Window,
    decimals: Mapping[str, int],
    now: datetime,
) -> pd.DataFrame:
    """The report of that name; `decimals` is by mint, `now` ends a window that is not over yet."""
    match name:
        case "settlements":
            return settlements_report.settlements(connection, tables, window, decimals)
        case "open_payments":
            return open_payments(connection, tables, window, now)
        case "wallet_states":
            return wallet_states(connection, tables, window)
        case "operation_costs":
            return costs_report.operation_costs(connection, window)
    raise ValueError(f"there is no report {name!r}")


def build_report(
    connection: Connection,
    tables: PeerTables,
    window: Window,
    decimals: Mapping[str, int],
    now: datetime,
) -> Report:
    """All of them."""
    frames = {name: build_frame(name, connection, tables, window, decimals, now) for name in REPORTS}
    return Report(window, frames)


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON, amounts as strings of base units, None where nothing is known."""
    return [{str(name): _plain(str(name), value) for name, value in row.items()} for row in _rows(frame)]


def shown_rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Rows for people: amounts in whole tokens where the frame tells decimals, lamports in SOL elsewhere."""
    places = [None] * len(frame) if "decimals" not in frame else list(frame["decimals"])
    return [
        {
            name: _amount(value, 9 if "decimals" not in frame else place)
            if name in AMOUNTS
            else ("" if _is_missing(value) else str(value))
            for name, value in row.items()
        }
        for row, place in zip(_rows(frame), places, strict=True)
    ]


def totals_of(frame: pd.DataFrame, key: str) -> dict[str, int]:
    """Numbers that can be plotted over time: each column summed up, where one sum makes sense; else by `key`."""
    numbers = [str(name) for name in frame.columns if name not in (key, "decimals")]
    if key != "mint":
        return {name: sum(int(value) for value in frame[name]) for name in numbers}
    return {
        f"{row[key]}/{name}": int(row[name]) for row in _rows(frame) for name in numbers if name in AMOUNTS
    } | {name: sum(int(value) for value in frame[name]) for name in numbers if name not in AMOUNTS}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(name: str, value: Any) -> Any:
    if _is_missing(value):
        return None
    if name in AMOUNTS:
        return str(int(value))
    return value if isinstance(value, str) else int(value)


def _amount(units: Any, places: Any) -> str:
    if _is_missing(places):
        return f"{int(units)} units"
    amount = Decimal(int(units)).scaleb(-int(places))
    return f"{amount:,f}".rstrip("0").rstrip(".") if amount else "0"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)
