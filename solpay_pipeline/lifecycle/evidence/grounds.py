"""What a decision may rest on: levels of evidence, from what costs least to what tells all, and one table of decisions.

Reading costs calls. A decision that is undone by the next look may rest on less than one that takes something from a
customer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Evidence(StrEnum):
    """The value is how people read it."""

    BALANCES = "balances"
    """What the wallet and the accounts of its offers hold, read at one slot."""
    SUMS = "sums of the ledger"
    """What our own landed transactions have sent home."""
    CROSSING = "a balance that pays"
    """A balance that covers a price, and the transfer by which it came to, found by halving."""
    NEWEST = "the newest entries"
    """As many of the newest transactions as explain the balance at every address that can tell."""
    WHOLE = "the whole history"
    """Every transaction of every account that the wallet is known to have had."""


class Decision(StrEnum):
    """What is decided about a payment and its wallet. The value is how people read it."""

    WAIT = "not paid yet"
    ACCEPT = "paid in full and in time"
    EXPIRE = "expired, nothing ever came"
    HOLD = "held: short, late or unexpected"
    CLOSE = "empty token accounts are closed"
    SWEEP = "money of an accepted payment is sent home"
    SWEPT = "its money is home (`sent_funds`)"
    ELSEWHERE = "money went elsewhere"


@dataclass(frozen=True, slots=True)
class Ground:
    """The levels on which a decision may rest, and why less is not enough, or more not needed."""

    levels: frozenset[Evidence]
    reason: str


def _on(*levels: Evidence, because: str) -> Ground:
    return Ground(frozenset(levels), because)


GROUNDS: Final[Mapping[Decision, Ground]] = {
    Decision.WAIT: _on(*Evidence, because="Nothing is changed, and the next look asks again."),
    Decision.ACCEPT: _on(
        Evidence.CROSSING,
        Evidence.NEWEST,
        Evidence.WHOLE,
        because="Money that is there was paid, whatever else came and went. When it came, its transaction tells.",
    ),
    Decision.EXPIRE: _on(
        Evidence.NEWEST,
        Evidence.WHOLE,
        because="An empty wallet may have been paid and emptied. Whoever emptied it left a transaction at its own "
        "address, or at that of an account that others can empty. With the history check switched off balances "
        "are enough.",
    ),
    Decision.HOLD: _on(
        Evidence.WHOLE,
        because="A label says what a customer did; it must be the same whenever anybody looks.",
    ),
    Decision.CLOSE: _on(
        Evidence.BALANCES,
        Evidence.NEWEST,
        Evidence.WHOLE,
        because="An account closes only while it is empty: the chain itself refuses otherwise. That its payment has "
        "expired was decided before.",
    ),
    Decision.SWEEP: _on(
        Evidence.BALANCES, because="What is there goes home, all of it; the payment was accepted before."
    ),
    Decision.SWEPT: _on(
        Evidence.SUMS,
        Evidence.WHOLE,
        because="That the wallet is empty does not say where its money is. What we have sent home must cover the "
        "price; else every transaction is read.",
    ),
    Decision.ELSEWHERE: _on(
        Evidence.WHOLE, because="It accuses somebody: amount, destination and transaction are named."
    ),
}
"""The one table. `resolution.resolve` refuses a decision that rests on less."""


class WeakEvidence(ValueError):
    """A decision was about to be made on less than the table allows."""


def require(decision: Decision, evidence: Evidence) -> None:
    """Raise `WeakEvidence` where the decision may not rest on this."""
    if evidence not in GROUNDS[decision].levels:
        raise WeakEvidence(f"{decision.name} does not rest on {evidence.value}")
