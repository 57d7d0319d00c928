"""What became of followed acceptances, as it is written: each end with its event and findings, in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from solders.pubkey import Pubkey
from solders.signature import Signature
from sqlalchemy import Connection

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.sql import among
from solpay_pipeline.events.bodies import PaymentAccepted, PaymentFinalized, PaymentReverted
from solpay_pipeline.ledger import acceptances, findings, outbox, transactions
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.outbox import Event
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.seen import followed
from solpay_pipeline.ledger.seen.followed import Followed, Paid
from solpay_pipeline.ledger.tables import FollowState, TransactionState
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import mint_text
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, Payment, Wallet, WalletState
from solpay_pipeline.lifecycle.transitions import FOLLOWED
from solpay_pipeline.operations.changes.unmoved import write_unmoved
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.finality import Final, Returned, TakenBack
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.records.changes import set_wallets

BY_THE_CHAIN = "finality"
"""Under this name its events stand in the ledger: no operation of ours has made them happen."""

# In flight, or known not to be swept.
_NOT_CALLED_SWEPT = (WalletState.PROCESSING_FUNDS, WalletState.FAILED_TO_SEND_FUNDS)


def what_paid(snapshot: Snapshot, body: PaymentAccepted) -> Paid:
    """What an acceptance rests on, as its event tells it."""
    return Paid(
        payment_id=body.payment_id,
        wallet_id=body.wallet_id,
        address=snapshot.payment.address,
        source=Source(body.source),
        signature=_named(body.signature),
        mint=next((one for one in snapshot.payment.mints if str(one) == body.mint), None),
        amount=int(body.received.get(body.mint, "0")),
        seen_slot=snapshot.holdings.slot,
    )


@dataclass(frozen=True, slots=True)
class WrittenFinality:
    """See `Finality`; what was skipped is counted in the tally."""

    deployment: Deployment
    run: RunRef
    tally: Tally

    def page(self, *, after: int, limit: int, payment_ids: Collection[int] | None) -> list[Followed]:
        """See `Finality`."""
        with reading(self.deployment.engine) as connection:
            return followed.page(
                connection, self.run.run_id, after=after, limit=limit, payment_ids=payment_ids
            )

    def asked(self, followed_: Sequence[Followed]) -> None:
        """See `Finality`."""
        with self.deployment.engine.begin() as connection:
            followed.asked(connection, [one.id for one in followed_], self.run.run_id)

    def final_home(self, wallet_ids: Collection[int]) -> Mapping[int, Mapping[Pubkey | None, int]]:
        """See `Finality`."""
        with reading(self.deployment.engine) as connection:
            return transactions.moved_home(connection, wallet_ids, states=[TransactionState.FINALIZED])

    def finalize(self, final: Sequence[Final]) -> None:
        """See `Finality`."""

        def write(connection: Connection, batch: Sequence[Final]) -> None:
            now = self._now()
            for one in batch:
                if one.signature is not None and one.signature != one.case.followed.paid.signature:
                    paid = one.case.followed.paid
                    followed.go_on(connection, one.case.followed, one.signature, paid.seen_slot, now)
            ids = [one.case.followed.id for one in batch]
            ended = followed.end(connection, ids, FollowState.FINALIZED, now)
            over = [one for one in batch if one.case.followed.id in ended]
            findings.clear(connection, [one.case.wallet.id for one in over], FOLLOWED, now)
            self._report(connection, [_finalized(one) for one in over])

        write_unmoved(self.deployment, self.tally, final, lambda one: one.case.wallet, write)

    def go_on(self, returned: Sequence[Returned]) -> None:
        """See `Finality`."""

        def write(connection: Connection, batch: Sequence[Returned]) -> None:
            now = self._now()
            for one in batch:
                if followed.go_on(connection, one.case.followed, one.signature, one.seen_slot, now):
                    findings.clear(connection, [one.case.wallet.id], FOLLOWED, now)

        write_unmoved(self.deployment, self.tally, returned, lambda one: one.case.wallet, write)

    def revert(self, taken_back: Sequence[TakenBack]) -> None:
        """See `Finality`."""

        def write(connection: Connection, batch: Sequence[TakenBack]) -> None:
            now = self._now()
            ids = [one.case.followed.id for one in batch]
            ended = followed.end(connection, ids, FollowState.REVERTED, now)
            fresh = [one for one in batch if one.case.followed.id in ended]
            wallets = [one.case.wallet for one in fresh]
            unswept = [one for one in wallets if one.state not in _NOT_CALLED_SWEPT]
            set_wallets(connection, self.deployment.tables, unswept, WalletState.FAILED_TO_SEND_FUNDS, now)
            untrue = {FindingCode.FUNDS_ELSEWHERE, FindingCode.FINALITY_UNKNOWN}
            findings.clear(connection, [one.id for one in wallets], untrue, now)
            findings.note(connection, [_reverted(one) for one in batch], self.run, now)
            self._report(connection, [_taken_back(one) for one in fresh])

        write_unmoved(self.deployment, self.tally, taken_back, lambda one: one.case.wallet, write)

    def forget(self, followed_: Sequence[Followed]) -> None:
        """See `Finality`."""
        if not followed_:
            return
        payment = self.deployment.tables.payment
        with self.deployment.engine.begin() as connection:
            rows = connection.execute(
                sa.select(payment.c.id, payment.c.payment_address, payment.c.status).where(
                    among(connection, payment.c.id, [one.paid.payment_id for one in followed_])
                )
            )
            standing = {(row.id, row.payment_address): row.status in ACCEPTED for row in rows}
            over = [one for one in followed_ if not standing.get(_place(one), False)]
            followed.forget(connection, [one.id for one in over])
            findings.clear(connection, [one.paid.wallet_id for one in over], FOLLOWED, self._now())
            written_back = [
                one.paid.payment_id
                for one in over
                if one.state is FollowState.REVERTED and _place(one) in standing
            ]
            acceptances.release(connection, written_back)

    def _report(self, connection: Connection, events: Sequence[Event]) -> None:
        outbox.append(connection, events, RunRef(self.run.run_id, BY_THE_CHAIN), self._now())

    def _now(self) -> datetime:
        return self.deployment.clock()


def _place(one: Followed) -> tuple[int, str]:
    return one.paid.payment_id, str(one.paid.address)


def _named(signature: str) -> str | None:
    """A signature as a node takes it; None for whatever else an operator may have written into the row."""
    try:
        return str(Signature.from_string(signature))
    except ValueError:
        return None


def _payment(wallet: Wallet) -> Payment:
    if wallet.payment is None:
        raise ValueError(f"wallet {wallet.id} has no payment")
    return wallet.payment


def _finalized(one: Final) -> Event:
    wallet, paid = one.case.wallet, one.case.followed.paid
    body = PaymentFinalized.of(_payment(wallet), wallet.id, source=paid.source, signature=one.signature)
    return body.event()


def _taken_back(one: TakenBack) -> Event:
    wallet, paid = one.case.wallet, one.case.followed.paid
    body = PaymentReverted.of(
        _payment(wallet),
        wallet.id,
        source=paid.source,
        signature=paid.signature,
        mint=paid.mint,
        missing=one.missing,
        received=one.received,
    )
    return body.event()


def _reverted(one: TakenBack) -> Finding:
    paid = one.case.followed.paid
    transfer = "its transfer" if paid.signature is None else f"transfer {paid.signature}"
    gone = f"{one.missing} base units of {mint_text(paid.mint)} that paid it are in no finalized block"
    words = (
        f"{gone}: a fork took {transfer} back. Nothing of its wallet is swept. If it comes in time again it counts; "
        "if not, stop the order, or ask the customer to pay again, and write the payment's status back"
    )
    wallet = one.case.wallet
    return Finding(FindingCode.REVERTED, wallet.id, _payment(wallet).id, words, paid.mint, one.missing)
