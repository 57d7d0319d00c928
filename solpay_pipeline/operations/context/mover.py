"""What is asked for a wallet, what that has come to, and who carries it out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.actions import Leg
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.terms import Wallet


@dataclass(frozen=True, slots=True)
class LegJob:
    """A wallet's row as read, and its leg."""

    wallet: Wallet
    leg: Leg


class LegOutcome(StrEnum):
    """What a job has come to."""

    LANDED = "landed"
    AGAIN = "again"
    """Its transaction failed through another wallet, or never landed: plan it again from the chain."""
    SPOILED = "spoiled"
    """Its own instructions made the transaction fail."""
    UNFIT = "unfit"
    """Its rows were changed or are held by another process: it is looked at once more, and keeps no other waiting."""
    IN_FLIGHT = "in_flight"
    SKIPPED = "skipped"
    """Another process works on it, or its row is gone."""
    SET_ASIDE = "set_aside"
    WAITS = "waits"
    """It would cost more than may be spent; its row is as it was, and another run moves it."""


@dataclass(frozen=True, slots=True)
class LegResult:
    """`wallet` is the row as we left it; `slot` is where the transaction landed; `finding` says why it did not."""

    wallet: Wallet
    outcome: LegOutcome
    slot: int = 0
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A token account that the receiver lacks: the ATA of a mint, of `size` bytes."""

    mint: Mint
    account: Pubkey
    size: int


class Mover(Protocol):
    """Carries out what an operation has planned; in a dry run it only counts."""

    async def move(self, jobs: Sequence[LegJob], *, alone: Collection[int]) -> list[LegResult]:
        """Carry out jobs; the wallets in `alone`, by id, get a transaction each.

        Every job that was carried out has one result. Raises what `submission.submit` raises.
        """

    async def open_accounts(self, openings: Sequence[Opening]) -> dict[Pubkey, str]:
        """Open accounts of the receiver; by mint, why one could not be opened in this run."""
