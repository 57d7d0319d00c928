"""Plots of the reports, as PNG of some twenty kilobytes: they travel in an asset's metadata.

Amounts become floats of whole tokens here, and only here: a plot is to be looked at.
"""

import io
from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solpay_pipeline.reports.settlements import SOL

_SIZE = (7.0, 3.2)
_DOTS = 80
_COLOURS = ("#3b6ea5", "#5aa469", "#d98e32", "#b5483a")


def plot_settlements(frame: pd.DataFrame) -> bytes:
    """Bars per mint, each mint on its own axis: a token's units compare with no other's."""
    shown = frame[frame["decimals"].notna()]
    figure = Figure(figsize=(_SIZE[0], max(_SIZE[1], 1.1 * len(shown))), dpi=_DOTS, layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False)
    columns = ["accepted", "swept", "held"]
    for axis, (_, row) in zip(axes[:, 0], shown.iterrows(), strict=True):
        amounts = [float(Decimal(int(row[column])).scaleb(-int(row["decimals"]))) for column in columns]
        bars = axis.barh(columns, amounts, color=_COLOURS[: len(columns)])
        axis.bar_label(bars, fmt="{:,.6g}", padding=3, fontsize=8)
        axis.margins(x=0.15)
        if not any(amounts):
            axis.set_xlim(0, 1)
        axis.invert_yaxis()
        axis.set_title(
            row["mint"] if row["mint"] == SOL else f"mint {row['mint'][:8]}…", loc="left", fontsize=9
        )
    return _png(figure)


def plot_open_payments(frame: pd.DataFrame) -> bytes:
    """Bars per age, those past their time in another colour."""
    figure, axis = _one()
    in_time = frame["payments"] - frame["overdue"]
    axis.barh(frame["age"], in_time, color=_COLOURS[0], label="in time")
    axis.barh(frame["age"], frame["overdue"], left=in_time, color=_COLOURS[3], label="past their time")
    axis.invert_yaxis()
    axis.set_xlabel("open payments")
    axis.legend(loc="lower right", fontsize=8)
    return _png(figure)


def plot_wallet_states(frame: pd.DataFrame) -> bytes:
    """Bars per state."""
    figure, axis = _one()
    bars = axis.barh(frame["state"], frame["wallets"], color=_COLOURS[0])
    axis.bar_label(bars, padding=3, fontsize=8)
    axis.margins(x=0.1)
    axis.invert_yaxis()
    axis.set_xlabel("wallets of payments made then")
    return _png(figure)


def plot_operation_costs(frame: pd.DataFrame) -> bytes:
    """What was paid in fees beside the rent that came back, per operation, in SOL."""
    figure, axis = _one()
    height = 0.38
    places: Sequence[float] = range(len(frame))
    for shift, (column, colour) in enumerate((("fees", _COLOURS[3]), ("rent_back", _COLOURS[1]))):
        amounts = [float(Decimal(int(lamports)).scaleb(-9)) for lamports in frame[column]]
        bars = axis.barh(
            [place + shift * height for place in places], amounts, height, color=colour, label=column
        )
        axis.bar_label(bars, fmt="{:,.6g}", padding=3, fontsize=8)
    axis.set_yticks([place + height / 2 for place in places], list(frame["operation"]))
    axis.margins(x=0.15)
    axis.invert_yaxis()
    axis.set_xlabel("SOL")
    axis.legend(loc="lower right", fontsize=8)
    return _png(figure)


def _one() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, dpi=_DOTS, layout="constrained")
    return figure, figure.subplots()


def _png(figure: Figure) -> bytes:
    kept = io.BytesIO()
    figure.savefig(kept, format="png")
    return kept.getvalue()
