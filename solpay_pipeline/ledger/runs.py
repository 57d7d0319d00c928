"""Who writes into the ledger: a run, and an operation in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunRef:
    """Which run, and which operation in it, does something."""

    run_id: str
    operation: str
