"""What operations read of the shop's rows and of our ledger. Nothing here writes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from solders.pubkey import Pubkey

from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import FollowState
from solpay_pipeline.ledger.transactions import FailuresInARow, OpenTransaction
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.records.rows import UnreadableRow
from solpay_pipeline.records.vault import Sealed

Page = Sequence[Wallet | UnreadableRow]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Wallets in one of `states`, whose payments have one of the statuses where such are given."""

    states: Collection[WalletState]
    payment_statuses: Collection[PaymentStatus] | None = None


class Records(Protocol):
    """Each call is a short transaction of its own. Pages begin behind the id `after`; payments in them come with the
    earlier versions of their offers.

    How long a page is, and which payments are meant at all, the options of the operation say.
    """

    def wallets(self, wanted: Wanted, *, after: int) -> Page:
        """The next page of wallets, by wallet id."""

    def due(self, now: datetime, *, after: int) -> Page:
        """The next page of wallets, by payment id, whose initiated payment's time is over."""

    def open_to_money(self, *, after: int, expired_since: datetime) -> Page:
        """The next page, by payment id, of initiated payments, and of those that ended at `expired_since` or later."""

    def of_payments(self, payment_ids: Sequence[int]) -> Page:
        """The wallets of these payments, in this order."""

    def without_payment(self, *, after: int) -> Page:
        """The next page of wallets, by wallet id, that no payment points at; none where payments are named."""

    def of_one_address(self, addresses: Collection[Pubkey]) -> Page:
        """Wallets of all payments, by payment id, that share one of these addresses with another payment."""

    def openings(self, wallet_ids: Collection[int]) -> dict[int, dict[Pubkey, int]]:
        """What unusual token accounts of these wallets were opened with, in lamports, by wallet and account."""

    def known_effects(self, address: Pubkey) -> Mapping[str, Effect]:
        """What is known already of the transactions that name a wallet, by signature; all of it is final."""

    def to_watch(
        self, states: Collection[WalletState], now: datetime, run: RunRef, *, limit: int
    ) -> list[int]:
        """Payments whose wallets are in these states and due for a look, longest due first.

        Left out are those that `run` has written an event about. Payments that an operator names are always due.
        """

    def to_recheck(self, statuses: Collection[PaymentStatus]) -> list[int]:
        """Payments within the limit; those first that have waited longest since they were last looked at."""

    def unreported_acceptances(self, *, after: int) -> list[int]:
        """The next page of accepted payments whose acceptance nobody has reported."""

    def followed(self, addresses: Collection[Pubkey]) -> dict[Pubkey, FollowState]:
        """How far the acceptances of these payments are on their way, of those that are not final."""

    def received(self, addresses: Collection[Pubkey]) -> Mapping[Pubkey, tuple[Pubkey | None, int]]:
        """Of which mint how much had come in when each payment was accepted; without those that nobody followed."""

    def busy(self, wallet_ids: Collection[int]) -> set[int]:
        """Those of these wallets that have a leg in flight."""

    def failures_in_a_row(self, wallet_ids: Collection[int]) -> Mapping[int, FailuresInARow]:
        """How often transactions of these wallets have failed on chain since one landed; without those of none."""

    def moved_home(self, wallet_ids: Collection[int]) -> Mapping[int, Mapping[Pubkey | None, int]]:
        """What our own transactions have sent home of these wallets, base units by mint; without those of none."""

    def own_among(self, signatures: Collection[str]) -> set[str]:
        """Those of these signatures that are ours, whatever our ledger says became of them."""

    def expired_by_us(self, payment_ids: Collection[int]) -> set[int]:
        """Those of these payments that we have expired, after a look at the chain."""

    def began_at(self) -> datetime | None:
        """When this ledger was first used; None before it is."""

    def waiting(self, wallet_ids: Collection[int], now: datetime) -> set[int]:
        """Those of these wallets whose history could not be read, and that are not due to be asked for again.

        None of those that an operator has named, or of the days that he has.
        """

    def set_aside(self, wallet_ids: Collection[int]) -> set[int]:
        """Those of these wallets on which some work was not done, for a reason that stands."""

    def sealed_keypairs(self, wallet_ids: Collection[int]) -> dict[int, Sealed]:
        """The sealed keypairs of these wallets, but of those that are gone."""

    def open_transactions(self) -> list[OpenTransaction]:
        """Transactions of ours that are not over, oldest first."""
