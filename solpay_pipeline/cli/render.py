"""Outcomes as a person reads them in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from solpay_pipeline.events.relay import DeliveryOutcome
from solpay_pipeline.operations.context.outcome import Outcome

_LABELS = {
    "looked_at": "looked at",
    "accepted": "accepted",
    "expired": "expired",
    "held_count": "held",
    "swept": "swept",
    "closed": "closed",
    "returned": "put back",
    "waiting": "not paid yet",
    "in_flight": "still in flight",
    "settled": "settled from earlier",
    "reopened": "reopened after a fork",
    "skipped": "taken by somebody else",
    "before_our_time": "over before this ledger began, only their balances looked at",
    "transactions": "transactions",
    "failed_transactions": "failed transactions",
}


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print one table of counts, then what moved, then what needs a person."""
    counts = [outcome.counts() for outcome in outcomes]
    if all(not outcome.blocked and not outcome.left_undone for outcome in outcomes) and not any(
        count[name] for count in counts for name in _LABELS
    ):
        if all(outcome.failure is None for outcome in outcomes):
            console.print("nothing to do")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for outcome in outcomes:
        table.add_column(outcome.operation + (" (dry run)" if outcome.dry_run else ""), justify="right")
    for name, label in _LABELS.items():
        values = [count[name] for count in counts]
        if any(values):
            table.add_row(label, *(str(value) for value in values))
    if not all(outcome.dry_run for outcome in outcomes):
        table.add_row("fees, lamports", *(str(outcome.fees) for outcome in outcomes))
        table.add_row("rent back, lamports", *(str(outcome.rent) for outcome in outcomes))
    console.print(table)
    for outcome in outcomes:
        _show_outcome(outcome, console)


def show_delivery(delivery: DeliveryOutcome, console: Console) -> None:
    """Print a line for each place that events go to, then what was given up."""
    if not delivery.sinks:
        console.print("events: no sink is configured; they wait")
    for name, sink in delivery.sinks.items():
        line = f"events: {name}: {sink.delivered} delivered, {sink.waiting} waiting"
        if sink.given_up:
            line += f", {len(sink.given_up)} given up"
        if sink.last_error:
            line += f"; last trouble: {sink.last_error}"
        _print_line(line, console)
    for one in delivery.set_aside:
        _print_line(one.explanation, console)


def _show_outcome(outcome: Outcome, console: Console) -> None:
    operation, verb = outcome.operation, "would move" if outcome.dry_run else "moved"
    for mint, amount in outcome.amounts.items():
        unit = "lamports" if mint == "SOL" else f"base units of {mint}"
        _print_line(f"{operation}: {verb} {amount} {unit}", console)
    for words in outcome.left_undone:
        _print_line(f"{operation}: {words}", console)
    if outcome.blocked is not None:
        _print_line(f"{operation}: {outcome.blocked}", console)
    for remark in outcome.remarks:
        _print_line(f"{operation}: {remark}", console)
    headings = {"set aside": outcome.set_aside, "held": outcome.held_findings, "notices": outcome.notices}
    for heading, findings in headings.items():
        for one in findings:
            _print_line(
                f"{operation}: {heading}: wallet {one.wallet_id}, payment {one.payment_id}: {one.explanation} "
                f"({one.code.value})",
                console,
            )


def _print_line(line: str, console: Console) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
