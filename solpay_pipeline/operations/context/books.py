"""Where the effects of an operation go: into the database, or, in a dry run, into a count of what would happen."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from solders.pubkey import Pubkey

from solpay_pipeline.events.bodies import PaymentAccepted
from solpay_pipeline.ledger.summary import Summary
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Payment, PaymentStatus, Wallet, WalletState

LASTING: Final = frozenset({PaymentStatus.CONFIRMED, PaymentStatus.FINALIZED})
"""Acceptances that stand: `processed` is what the peer writes and takes back in one transaction."""


class Books(Protocol):
    """Every change of a payment or a wallet, each with its event and its findings.

    A change whose premises no longer hold is not made: its row counts as skipped and is looked at another time.
    """

    def accept(self, paid: Sequence[tuple[Snapshot, Judgement]]) -> list[Wallet]:
        """Accept payments that the chain shows paid, expired ones too; returns their wallets as they are then.

        Raises ValueError where a judgement names no completing transfer.
        """

    def expire(self, snapshots: Sequence[Snapshot]) -> list[Wallet]:
        """Expire payments whose wallets hold nothing; returns the wallets, which are `payment_expired` then."""

    def expire_and_close(self, snapshots: Sequence[Snapshot]) -> None:
        """Expire payments whose wallets hold nothing and have no accounts, and bring these wallets to rest."""

    def hold(self, snapshot: Snapshot, label: FindingCode) -> None:
        """Keep money that does not pay its payment: the payment expires, the wallet becomes `received_funds`."""

    def rest_swept(self, snapshots: Sequence[Snapshot]) -> None:
        """The chain shows these wallets empty, and their money with the receiver."""

    def rest_closed(self, snapshots: Sequence[Snapshot]) -> None:
        """The chain shows these wallets of expired payments empty and their token accounts gone."""

    def change_state(
        self, wallets: Sequence[Wallet], state: WalletState, *, ending: Collection[FindingCode] = ()
    ) -> list[Wallet]:
        """Change wallets' states where no event reports it; returns those that changed, as they are then.

        Findings of the kinds in `ending` end with it.
        """

    def note(self, findings: Sequence[Finding]) -> None:
        """Keep why some work was not done, or what a person should know."""

    def remember_looks(self, payment_ids: Sequence[int]) -> None:
        """These payments have been rechecked now."""

    def remember_offers(self, payments: Sequence[Payment]) -> None:
        """Keep what these payments ask for now, where it has not been seen before."""

    def remember_decimals(self, payments: Sequence[Payment], decimals: Mapping[Pubkey, int]) -> None:
        """Keep the decimals of the mints that these payments ask for now, where they have not been kept before."""

    def remember_openings(self, wallet_id: int, lamports: Mapping[Pubkey, int]) -> None:
        """Keep what unusual token accounts of a wallet were opened with, in lamports."""

    def remember_effects(self, address: Pubkey, effects: Sequence[Effect]) -> None:
        """Keep what finalized transactions did that name a wallet."""

    def remember_watched(self, snapshots: Sequence[Snapshot], now: datetime, *, daily_for: timedelta) -> None:
        """These wallets, whose payments are over, have been looked at; `now` is by the chain's clock."""

    def begin_acceptances(self) -> None:
        """Take what is accepted already for reported, where that has not been done."""

    def report_acceptances(self, accepted: Sequence[tuple[Snapshot, PaymentAccepted]]) -> None:
        """Report payments that others have accepted, each once."""

    def summary(self) -> Summary:
        """Everything that this operation of this run has done so far."""
