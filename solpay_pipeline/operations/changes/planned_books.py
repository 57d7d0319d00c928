"""The books of a dry run: what would happen is counted, and nothing is written."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from solders.pubkey import Pubkey

from solpay_pipeline.events.bodies import PaymentAccepted
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.summary import Summary
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.actions import Action, CloseAccount, MoveLamports, MoveTokens, RecoverNested
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Payment, PaymentStatus, Wallet, WalletState
from solpay_pipeline.lifecycle.transitions import accepted_wallet, expired_wallet, held


@dataclass(slots=True)
class PlannedBooks:
    """`acceptance` is the status that accepted payments would have. For the rest see `Books`."""

    acceptance: PaymentStatus
    events: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    transactions: int = 0
    amounts: Counter[str | None] = field(default_factory=Counter)

    def accept(self, paid: Sequence[tuple[Snapshot, Judgement]]) -> list[Wallet]:
        """See `Books`."""
        self.events[EventKind.PAYMENT_ACCEPTED] += len(paid)
        return [accepted_wallet(snapshot, judgement, self.acceptance) for snapshot, judgement in paid]

    def expire(self, snapshots: Sequence[Snapshot]) -> list[Wallet]:
        """See `Books`."""
        self.events[EventKind.PAYMENT_EXPIRED] += len(snapshots)
        return [expired_wallet(one) for one in snapshots]

    def expire_and_close(self, snapshots: Sequence[Snapshot]) -> None:
        """See `Books`."""
        self.expire(snapshots)
        self.rest_closed(snapshots)

    def hold(self, snapshot: Snapshot, label: FindingCode) -> None:
        """See `Books`."""
        self.events[EventKind.PAYMENT_EXPIRED] += snapshot.payment.status is PaymentStatus.INITIATED
        self.events[EventKind.PAYMENT_HELD] += 1
        self.findings += held(snapshot, label)

    def rest_swept(self, snapshots: Sequence[Snapshot]) -> None:
        """See `Books`."""
        self.events[EventKind.WALLET_SWEPT] += len(snapshots)

    def rest_closed(self, snapshots: Sequence[Snapshot]) -> None:
        """See `Books`."""
        self.events[EventKind.WALLET_CLOSED] += len(snapshots)

    def change_state(
        self, wallets: Sequence[Wallet], state: WalletState, *, ending: Collection[FindingCode] = ()
    ) -> list[Wallet]:
        """See `Books`."""
        return [Wallet(wallet.id, state, wallet.payment) for wallet in wallets]

    def note(self, findings: Sequence[Finding]) -> None:
        """See `Books`."""
        self.findings += findings

    def remember_looks(self, payment_ids: Sequence[int]) -> None:
        """Nothing: the next run shall look at the same payments."""

    def remember_offers(self, payments: Sequence[Payment]) -> None:
        """Nothing: the next run sees them for the first time."""

    def remember_decimals(self, payments: Sequence[Payment], decimals: Mapping[Pubkey, int]) -> None:
        """Nothing: the next run sees them for the first time."""

    def remember_openings(self, wallet_id: int, lamports: Mapping[Pubkey, int]) -> None:
        """Nothing: the next run reads it again."""

    def remember_effects(self, address: Pubkey, effects: Sequence[Effect]) -> None:
        """Nothing: the next run reads them again."""

    def remember_watched(self, snapshots: Sequence[Snapshot], now: datetime, *, daily_for: timedelta) -> None:
        """Nothing: the next run shall look at the same wallets."""

    def begin_acceptances(self) -> None:
        """Nothing: what was accepted by others stays for the next run."""

    def report_acceptances(self, accepted: Sequence[tuple[Snapshot, PaymentAccepted]]) -> None:
        """Nothing: what was accepted by others stays for the next run."""

    def plan(self, transactions: int, actions: Sequence[Action]) -> None:
        """Count transactions that would be sent, and what these actions of theirs would move."""
        self.transactions += transactions
        for action in actions:
            match action:
                case MoveLamports():
                    self.amounts[None] += action.lamports
                case MoveTokens():
                    self.amounts[str(action.mint)] += action.amount
                case CloseAccount() | RecoverNested() if action.funds:
                    self.amounts[None] += action.funds
                case _:
                    pass

    def summary(self) -> Summary:
        """See `Books`: as if every planned transaction had landed."""
        return Summary(
            events=self.events,
            transactions={TransactionState.CONFIRMED: self.transactions},
            signatures=(),
            moved=self.amounts,
            rent=0,
            withheld={},
            fees=0,
            findings=tuple(self.findings),
        )
