"""What the ledger is bound to, as one run has found it."""

from dataclasses import dataclass

from solders.pubkey import Pubkey


@dataclass(frozen=True, slots=True)
class Binding:
    """`receivers` are all that were ever allowed: what went to one of them went home.

    `obstacle` says why no money is sent to the receiver of the settings, and what an operator can do; None where it may
    be sent. `is_written` is false while the ledger does not say so yet.
    """

    receivers: frozenset[Pubkey]
    obstacle: str | None = None
    is_written: bool = True
