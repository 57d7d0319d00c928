"""Where transactions are written down before they leave, and closed by what the chain says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from solpay_pipeline.chain.sending.broadcast import Receipt
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline.lifecycle.terms import Wallet, WalletState


class Recorded(StrEnum):
    """What became of an attempt to write transactions down."""

    RECORDED = "recorded"
    BUSY = "busy"
    """A wallet's row is not as it was read, or another leg of it is in flight."""
    DUPLICATE = "duplicate"
    """The very same transaction is in the ledger already."""
    OVER_LIMIT = "over_limit"
    """It would cost more than may be spent."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`limit` says which limit, where the result is `OVER_LIMIT`."""

    result: Recorded
    limit: LimitReached | None = None


class Journal(Protocol):
    """The ledger of transactions, as those who send them use it."""

    def affordable(self, costs: Sequence[int]) -> tuple[int, LimitReached | None]:
        """How many of these costs (lamports), in order, may be paid, and which limit keeps the others."""

    def record(
        self, entries: Sequence[NewTransaction], wallets: Sequence[Wallet], state_in_flight: WalletState
    ) -> Recording:
        """Write all of them down, or none; the wallets' rows take `state_in_flight` with it."""

    def unfit(self, wallets: Sequence[Wallet]) -> set[int]:
        """Those of these wallets, by id, of which nothing can be written down now.

        Their rows are not as they were read, another process holds them, or another leg of theirs is in flight.
        """

    def close(self, receipts: Sequence[Receipt]) -> None:
        """Write what the chain said of transactions, unless another process has."""

    def hold_again(self, signatures: Sequence[str]) -> None:
        """Let confirmed transactions that the chain no longer shows keep their wallets until they are over."""
