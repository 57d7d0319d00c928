"""Where it is written what became of acceptances that are followed until the customer's transfer is final."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from solders.pubkey import Pubkey

from solpay_pipeline.ledger.seen.followed import Followed
from solpay_pipeline.lifecycle.terms import Wallet


@dataclass(frozen=True, slots=True)
class Case:
    """An acceptance with its wallet's row as it was read."""

    followed: Followed
    wallet: Wallet


@dataclass(frozen=True, slots=True)
class Final:
    """What paid is final; `signature` names the transfer that completed the price, None where none is named."""

    case: Case
    signature: str | None


@dataclass(frozen=True, slots=True)
class Returned:
    """A transfer pays again, by a block that is not final: `signature`, there at `seen_slot`."""

    case: Case
    signature: str
    seen_slot: int


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The finalized chain does not hold what paid. `received` is what it shows to have come in, base units by mint."""

    case: Case
    received: Mapping[Pubkey | None, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Base units of what paid that are not there."""
        paid = self.case.followed.paid
        return max(0, paid.amount - self.received.get(paid.mint, 0))


class Finality(Protocol):
    """Every change of an acceptance that is followed, each with its event and its findings.

    A change whose premises no longer hold is not made, and of two runs that see the same one makes it.
    """

    def page(self, *, after: int, limit: int, payment_ids: Collection[int] | None) -> list[Followed]:
        """The next acceptances after an id that are not final, without those that this run has asked about."""

    def asked(self, followed: Sequence[Followed]) -> None:
        """This run has asked about these."""

    def final_home(self, wallet_ids: Collection[int]) -> Mapping[int, Mapping[Pubkey | None, int]]:
        """What finalized transactions of ours have sent home of these wallets, base units by mint."""

    def finalize(self, final: Sequence[Final]) -> None:
        """Report what is final."""

    def go_on(self, returned: Sequence[Returned]) -> None:
        """Follow the transfers that pay now."""

    def revert(self, taken_back: Sequence[TakenBack]) -> None:
        """Report what was taken back; its wallet does not count as swept any more. What is reported stays reported."""

    def forget(self, followed: Sequence[Followed]) -> None:
        """Follow those of these no longer whose payments are gone, or not accepted any more."""
