"""What the ledger is bound to, as one run has found it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from solders.pubkey import Pubkey


@dataclass(frozen=True, slots=True)
class Binding:
    """At its `receivers` money is home, each until it was revoked (None: to this day).

    `obstacle` says why no money is sent to the receiver of the settings, and what an operator can do; None where it may
    be sent. `is_written` is false while the ledger does not say so yet.
    """

    receivers: Mapping[Pubkey, datetime | None]
    obstacle: str | None = None
    is_written: bool = True
