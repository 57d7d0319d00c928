"""The ledger of transactions as it is written: nothing leaves before its row and its legs are committed.

The wallets' rows take their state of flight in the same database transaction, after what the plan rests on has been
read again, so that a plan made of an old row never reaches the chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt
from solpay_pipeline.ledger import findings, installation, spending, transactions
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.ledger.transactions import AlreadyRecorded, NewTransaction, WalletBusy
from solpay_pipeline.lifecycle.actions import MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.records.changes import ChangedUnderneath, change_wallets, set_wallets
from solpay_pipeline.records.premises import require_unmoved, unmoved

_STATE_OF: Final = {
    Fate.CONFIRMED: TransactionState.CONFIRMED,
    Fate.FINALIZED: TransactionState.FINALIZED,
    Fate.FAILED: TransactionState.FAILED,
    Fate.REFUSED: TransactionState.REFUSED,
    Fate.DEAD: TransactionState.DEAD,
}

_LANDED: Final = (TransactionState.CONFIRMED, TransactionState.FINALIZED)

# What a transaction may have been before, in the order in which that is tried.
_BEFORE: Final = {
    TransactionState.CONFIRMED: (TransactionState.RECORDED,),
    TransactionState.FINALIZED: (TransactionState.RECORDED, TransactionState.CONFIRMED),
    TransactionState.FAILED: (TransactionState.CONFIRMED, TransactionState.RECORDED),
    TransactionState.DEAD: (TransactionState.CONFIRMED, TransactionState.RECORDED),
    TransactionState.REFUSED: (TransactionState.RECORDED,),
}

# A fork took back what was applied already.
_TAKEN_BACK: Final = (
    (TransactionState.CONFIRMED, TransactionState.FAILED),
    (TransactionState.CONFIRMED, TransactionState.DEAD),
)

# A wallet whose last transaction a fork took back, and the state in which the right operation finds it again.
_REOPENED: Final = (
    (WalletState.SENT_FUNDS, WalletState.PROCESSING_FUNDS),
    (WalletState.CLOSED, WalletState.PAYMENT_EXPIRED),
)


@dataclass(frozen=True, slots=True)
class WrittenJournal:
    """See `Journal`; wallets that a fork opened again are counted in the tally."""

    deployment: Deployment
    run: RunRef
    tally: Tally

    def affordable(self, costs: Sequence[int]) -> tuple[int, LimitReached | None]:
        """See `Journal`."""
        planned = 0
        with reading(self.deployment.engine) as connection:
            for number, cost in enumerate(costs):
                planned += cost
                try:
                    self._check_spending(connection, more=planned)
                except LimitReached as limit:
                    return number, limit
        return len(costs), None

    def record(
        self, entries: Sequence[NewTransaction], wallets: Sequence[Wallet], state_in_flight: WalletState
    ) -> Recording:
        """See `Journal`."""
        deployment, now = self.deployment, self.deployment.clock()
        try:
            with deployment.engine.begin() as connection:
                spending.take_turns(connection, deployment.spending)
                require_unmoved(connection, deployment.tables, wallets)
                self._require_allowed(connection, entries)
                set_wallets(connection, deployment.tables, wallets, state_in_flight, now)
                transactions.record_all(connection, entries, self.run, now)
                self._check_spending(connection)
        except (ChangedUnderneath, WalletBusy):
            return Recording(Recorded.BUSY)
        except AlreadyRecorded:
            return Recording(Recorded.DUPLICATE)
        except LimitReached as limit:
            return Recording(Recorded.OVER_LIMIT, limit)
        return Recording(Recorded.RECORDED)

    def unfit(self, wallets: Sequence[Wallet]) -> set[int]:
        """See `Journal`."""
        ids = {wallet.id for wallet in wallets}
        with self.deployment.engine.begin() as connection:
            standing = unmoved(connection, self.deployment.tables, wallets)
            return ids - standing | transactions.busy_wallets(connection, ids)

    def close(self, receipts: Sequence[Receipt]) -> None:
        """See `Journal`.

        One that was applied at `confirmed` and turns out dead or failed was taken back by a fork: its wallets are
        opened again in the same database transaction. What no endpoint can decide becomes a finding.
        """
        self._note_undecidable([receipt for receipt in receipts if receipt.is_undecidable])
        closing = [(receipt, _STATE_OF[receipt.fate]) for receipt in receipts if receipt.fate in _STATE_OF]
        if not closing:
            return
        landed: dict[tuple[TransactionState, int | None], list[str]] = {}
        with self.deployment.engine.begin() as connection:
            for receipt, state in closing:
                if state in _LANDED:
                    landed.setdefault((state, receipt.slot), []).append(receipt.signature)
                elif (self._close(connection, receipt, state), state) in _TAKEN_BACK:
                    self._reopen(connection, receipt.signature)
            for (state, slot), signatures in landed.items():
                for before in _BEFORE[state]:
                    transactions.close_landed(
                        connection,
                        signatures,
                        from_state=before,
                        to_state=state,
                        slot=slot,
                        now=self.deployment.clock(),
                    )

    def _note_undecidable(self, receipts: Sequence[Receipt]) -> None:
        if not receipts:
            return
        with self.deployment.engine.begin() as connection:
            undecided = [
                Finding(FindingCode.UNDECIDED, wallet_id, None, _undecidable(receipt))
                for receipt in receipts
                for wallet_id in transactions.wallets_of(connection, receipt.signature)
            ]
            findings.note(connection, undecided, self.run, self.deployment.clock())

    def hold_again(self, signatures: Sequence[str]) -> None:
        """See `Journal`."""
        with self.deployment.engine.begin() as connection:
            transactions.hold_again(connection, signatures)

    def _require_allowed(self, connection: Connection, entries: Sequence[NewTransaction]) -> None:
        """Raise `ChangedUnderneath` where the receiver was revoked after it was planned to send money there."""
        actions = (action for entry in entries for leg in entry.legs for action in leg.actions)
        sends = any(isinstance(action, MoveLamports | MoveTokens) for action in actions)
        if sends and installation.is_revoked(connection, self.deployment.receiver):
            raise ChangedUnderneath

    def _check_spending(self, connection: Connection, *, more: int = 0) -> None:
        deployment = self.deployment
        spending.check(connection, deployment.spending, self.run.run_id, deployment.clock(), more=more)

    def _close(
        self, connection: Connection, receipt: Receipt, state: TransactionState
    ) -> TransactionState | None:
        """Move a transaction on; returns what it was, None where another process was first."""
        for before in _BEFORE[state]:
            if transactions.close(
                connection,
                receipt.signature,
                from_state=before,
                to_state=state,
                now=self.deployment.clock(),
                slot=receipt.slot,
                error=receipt.err,
                fee=receipt.fee,
            ):
                return before
        return None

    def _reopen(self, connection: Connection, signature: str) -> None:
        words = (
            f"transaction {signature} was confirmed and then taken back by a fork; the wallet is open again"
        )
        now = self.deployment.clock()
        wallet_ids = transactions.wallets_of(connection, signature)
        for settled, reopened in _REOPENED:
            change_wallets(
                connection,
                self.deployment.tables,
                wallet_ids,
                from_state=settled,
                to_state=reopened,
                now=now,
            )
        forks = [Finding(FindingCode.FORK, wallet_id, None, words) for wallet_id in wallet_ids]
        findings.note(connection, forks, self.run, now)
        self.tally.reopened += len(wallet_ids)


def _undecidable(receipt: Receipt) -> str:
    words = "add an endpoint to SOLPAY_RPC_URLS whose history goes back so far"
    return f"nobody can tell how transaction {receipt.signature} ended: {receipt.reason}; {words}"
