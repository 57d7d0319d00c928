"""Outcomes as a person reads them in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_LABELS = {
    "looked_at": "looked at",
    "accepted": "accepted",
    "expired": "expired",
    "held": "held",
    "swept": "swept",
    "closed": "closed",
    "returned": "put back",
    "waiting": "not paid yet",
    "in_flight": "still in flight",
    "settled": "settled from earlier",
    "reopened": "reopened after a fork",
    "skipped": "taken by somebody else",
    "transactions": "transactions",
    "failed_transactions": "failed transactions",
}


def show(outcomes: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print one table of counts, then what moved, then what needs a person."""
    if not any(_count(outcome, name) for outcome in outcomes for name in _LABELS):
        console.print("nothing to do")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for outcome in outcomes:
        table.add_column(outcome["operation"] + (" (dry run)" if outcome["dry_run"] else ""), justify="right")
    for name, label in _LABELS.items():
        values = [_count(outcome, name) for outcome in outcomes]
        if any(values):
            table.add_row(label, *(str(value) for value in values))
    if not all(outcome["dry_run"] for outcome in outcomes):
        table.add_row("fees, lamports", *(outcome["fee_lamports"] for outcome in outcomes))
        table.add_row("rent back, lamports", *(outcome["rent_lamports"] for outcome in outcomes))
    console.print(table)
    for outcome in outcomes:
        for mint, amount in outcome["amounts"].items():
            unit = "lamports" if mint == "SOL" else f"base units of {mint}"
            verb = "would move" if outcome["dry_run"] else "moved"
            console.print(f"{outcome['operation']}: {verb} {amount} {unit}", highlight=False, soft_wrap=True)
        if outcome["stopped_reason"] != "done":
            console.print(f"{outcome['operation']}: stopped early: {outcome['stopped_reason']}")
        _show_findings(outcome, console)


def show_delivery(told: Mapping[str, Any], console: Console) -> None:
    """Print a line for each place that events go to, then what was given up."""
    if not told["sinks"]:
        console.print("events: no sink is configured; they wait")
    for name, sink in told["sinks"].items():
        line = f"events: {name}: {sink['delivered']} delivered, {sink['waiting']} waiting"
        if sink["given_up"]:
            line += f", {sink['given_up']} given up"
        if sink["last_error"]:
            line += f"; last trouble: {sink['last_error']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for one in told["set_aside"]:
        console.print(one["explanation"], markup=False, highlight=False, soft_wrap=True)


def _count(outcome: Mapping[str, Any], name: str) -> int:
    value = outcome[f"{name}_count"] if name == "held" else outcome[name]
    return int(value)


def _show_findings(outcome: Mapping[str, Any], console: Console) -> None:
    for heading in ("set_aside", "held", "told"):
        for one in outcome[heading]:
            console.print(
                f"{outcome['operation']}: {heading.replace('_', ' ')}: wallet {one['wallet_id']}, payment "
                f"{one['payment_id']}: {one['explanation']} ({one['code']})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
