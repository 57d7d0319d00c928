"""The books that are written: each change with its event and its findings, in one database transaction.

Every change first reads again what its decision rests on. Where that has moved, nothing of the change is written, the
row counts as skipped, and the others of the batch go on.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.events.bodies import (
    PaymentAccepted,
    PaymentExpired,
    PaymentFinalized,
    PaymentHeld,
    WalletClosed,
    WalletSwept,
)
from solpay_pipeline.ledger import acceptances, findings, outbox, transactions
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.seen import effects as known_effects
from solpay_pipeline.ledger.seen import followed, looks, offers, openings
from solpay_pipeline.ledger.seen.followed import Paid
from solpay_pipeline.ledger.summary import Summary, summarize
from solpay_pipeline.ledger.tables import FollowState, MovementKind
from solpay_pipeline.ledger.transactions import LandedMovement
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.findings import HELD, Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Commitment, Payment, PaymentStatus, Wallet, WalletState
from solpay_pipeline.lifecycle.transitions import (
    JUDGED,
    STUCK,
    accepted_wallet,
    expired_wallet,
    held,
    overpaid,
    overpaid_at_home,
)
from solpay_pipeline.operations.changes.unmoved import Item, write_unmoved
from solpay_pipeline.operations.changes.written_finality import BY_THE_CHAIN, what_paid
from solpay_pipeline.operations.context.books import LASTING
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.outcome import Tally
from solpay_pipeline.records.changes import (
    ChangedUnderneath,
    PaidPayment,
    accept_payments,
    change_payments,
    set_wallets,
)
from solpay_pipeline.records.queries import payment_ids_with_status

_Rest = Callable[[Connection, Sequence[Snapshot], Mapping[int, object]], list[Event]]

# Under this name acceptances by others stand in the ledger: no operation of ours has accepted them.
_BY_OTHERS = "elsewhere"


@dataclass(frozen=True, slots=True)
class WrittenBooks:
    """See `Books`; what was skipped is counted in the tally."""

    deployment: Deployment
    run: RunRef
    tally: Tally

    def accept(self, paid: Sequence[tuple[Snapshot, Judgement]]) -> list[Wallet]:
        """See `Books`."""
        status = PaymentStatus(self.deployment.acceptance)
        # By id, so that two runs that accept the same payments never wait for each other.
        in_order = sorted(paid, key=lambda one: one[0].payment.id)
        after = {one.wallet.id: accepted_wallet(one, judgement, status) for one, judgement in in_order}
        write = partial(self._write_accepted, after)
        return [after[one.wallet.id] for one, _ in self._change(in_order, lambda one: one[0].wallet, write)]

    def expire(self, snapshots: Sequence[Snapshot]) -> list[Wallet]:
        """See `Books`."""

        def write(connection: Connection, batch: Sequence[Snapshot]) -> None:
            self._report(connection, self._expire_payments(connection, batch))
            self._set_wallets(connection, _wallets(batch), WalletState.PAYMENT_EXPIRED)
            self._clear(connection, _wallets(batch), {*HELD, *JUDGED})

        return [expired_wallet(one) for one in self._change(snapshots, _wallet, write)]

    def expire_and_close(self, snapshots: Sequence[Snapshot]) -> None:
        """See `Books`: of a large table of unpaid payments two transactions would be what the time goes to."""

        def write(connection: Connection, batch: Sequence[Snapshot]) -> None:
            expired = self._expire_payments(connection, batch)
            # A wallet as created has not been at rest before.
            closed = self._close_wallets(connection, batch, reported={})
            self._report(connection, [*expired, *closed])

        self._change(snapshots, _wallet, write)

    def hold(self, snapshot: Snapshot, label: FindingCode) -> None:
        """See `Books`."""

        def write(connection: Connection, batch: Sequence[Snapshot]) -> None:
            for one in batch:
                self._write_held(connection, one, label)

        self._change([snapshot], _wallet, write)

    def rest_swept(self, snapshots: Sequence[Snapshot]) -> None:
        """See `Books`."""
        self._change(snapshots, _wallet, partial(self._write_at_rest, WalletSwept.kind, self._sweep_wallets))

    def rest_closed(self, snapshots: Sequence[Snapshot]) -> None:
        """See `Books`."""
        self._change(snapshots, _wallet, partial(self._write_at_rest, WalletClosed.kind, self._close_wallets))

    def change_state(
        self, wallets: Sequence[Wallet], state: WalletState, *, ending: Collection[FindingCode] = ()
    ) -> list[Wallet]:
        """See `Books`."""

        def write(connection: Connection, batch: Sequence[Wallet]) -> None:
            self._set_wallets(connection, batch, state)
            if ending:
                self._clear(connection, batch, ending)

        changed = self._change(wallets, lambda wallet: wallet, write)
        return [Wallet(wallet.id, state, wallet.payment) for wallet in changed]

    def note(self, findings_: Sequence[Finding]) -> None:
        """See `Books`."""
        if findings_:
            with self.deployment.engine.begin() as connection:
                findings.note(connection, findings_, self.run, self._now())

    def remember_looks(self, payment_ids: Sequence[int]) -> None:
        """See `Books`."""
        with self.deployment.engine.begin() as connection:
            looks.rechecked(connection, payment_ids, self._now())

    def remember_offers(self, payments: Sequence[Payment]) -> None:
        """See `Books`."""
        with reading(self.deployment.engine) as connection:
            unseen = offers.unseen(connection, payments)
        if unseen:
            with self.deployment.engine.begin() as connection:
                offers.remember(connection, unseen, self._now())

    def remember_decimals(self, payments: Sequence[Payment], decimals: Mapping[Pubkey, int]) -> None:
        """See `Books`."""
        with self.deployment.engine.begin() as connection:
            offers.remember_decimals(connection, payments, decimals)

    def remember_openings(self, wallet_id: int, lamports: Mapping[Pubkey, int]) -> None:
        """See `Books`."""
        with self.deployment.engine.begin() as connection:
            openings.remember(connection, wallet_id, lamports)

    def remember_effects(self, address: Pubkey, effects: Sequence[Effect]) -> None:
        """See `Books`."""
        with self.deployment.engine.begin() as connection:
            known_effects.keep(connection, address, effects)

    def remember_watched(self, snapshots: Sequence[Snapshot], now: datetime, *, daily_for: timedelta) -> None:
        """See `Books`."""
        over_since = {one.wallet.id: one.payment.expires_at for one in snapshots}
        with self.deployment.engine.begin() as connection:
            looks.looked_at_rest(connection, over_since, now, daily_for=daily_for)

    def begin_acceptances(self) -> None:
        """See `Books`."""
        with reading(self.deployment.engine) as connection:
            if acceptances.has_begun(connection):
                return
        with self.deployment.engine.begin() as connection:
            accepted = payment_ids_with_status(connection, self.deployment.tables, statuses=LASTING)
            acceptances.begin(connection, accepted, self._now())

    def report_acceptances(self, accepted: Sequence[tuple[Snapshot, PaymentAccepted]]) -> None:
        """See `Books`."""

        def write(connection: Connection, batch: Sequence[tuple[Snapshot, PaymentAccepted]]) -> None:
            ids = [snapshot.payment.id for snapshot, _ in batch]
            unclaimed = acceptances.claim(connection, ids, Source.PEER, self._now())
            reported = [(one, body) for one, body in batch if body.payment_id in unclaimed]
            events = [body.event() for _, body in reported]
            outbox.append(connection, events, RunRef(self.run.run_id, _BY_OTHERS), self._now())
            paid = [what_paid(one, body) for one, body in reported]
            self._follow(connection, [one for one in paid if one.is_known], FollowState.OPEN)

        self._change(accepted, lambda one: one[0].wallet, write)

    def summary(self) -> Summary:
        """See `Books`: from the tables, so that a retried step counts everything once."""
        with reading(self.deployment.engine) as connection:
            return summarize(connection, self.run, self.tally.finished)

    def _change(
        self,
        items: Sequence[Item],
        wallet_of: Callable[[Item], Wallet],
        write: Callable[[Connection, Sequence[Item]], None],
    ) -> list[Item]:
        return write_unmoved(self.deployment, self.tally, items, wallet_of, write)

    def _write_accepted(
        self, after: Mapping[int, Wallet], connection: Connection, batch: Sequence[tuple[Snapshot, Judgement]]
    ) -> None:
        now, status = self._now(), PaymentStatus(self.deployment.acceptance)
        paid = [
            PaidPayment(one.payment.id, one.payment.status, judged.signature, judged.option)
            for one, judged in batch
        ]
        if not accept_payments(connection, self.deployment.tables, paid, to_status=status, now=now):
            raise ChangedUnderneath
        wallets = [one.wallet for one, _ in batch]
        for state in {after[wallet.id].state for wallet in wallets}:
            changing = [one for one in wallets if after[one.id].state is state is not one.state]
            self._set_wallets(connection, changing, state)
        self._clear(connection, wallets, {*HELD, *JUDGED})
        found = [finding for one, judgement in batch for finding in overpaid(one, judgement)]
        findings.note(connection, found, self.run, now)
        # One that was accepted, overwritten by the peer and accepted again was reported the first time.
        ids = [one.payment.id for one, _ in batch]
        unclaimed = acceptances.claim(connection, ids, Source.PIPELINE, now)
        bodies = [
            (
                one,
                PaymentAccepted.of(
                    one,
                    judgement,
                    source=Source.PIPELINE,
                    status=status,
                    previous_status=one.payment.status,
                ),
            )
            for one, judgement in batch
        ]
        self._report(connection, [body.event() for _, body in bodies if body.payment_id in unclaimed])
        self._begin_following(connection, bodies)

    def _begin_following(
        self, connection: Connection, accepted: Sequence[tuple[Snapshot, PaymentAccepted]]
    ) -> None:
        """What is accepted at `finalized` is final at once."""
        paid = [what_paid(one, body) for one, body in accepted]
        if self.deployment.acceptance is not Commitment.FINALIZED:
            self._follow(connection, paid, FollowState.OPEN)
            return
        fresh = self._follow(connection, paid, FollowState.FINALIZED)
        final = [
            PaymentFinalized.of(
                one.payment, one.wallet.id, source=Source.PIPELINE, signature=body.signature
            ).event()
            for one, body in accepted
            if one.payment.address in fresh
        ]
        outbox.append(connection, final, RunRef(self.run.run_id, BY_THE_CHAIN), self._now())

    def _follow(self, connection: Connection, paid: Sequence[Paid], state: FollowState) -> set[Pubkey]:
        return followed.begin(connection, paid, state, self.run.run_id, self._now())

    def _expire_payments(self, connection: Connection, batch: Sequence[Snapshot]) -> list[Event]:
        ids = {one.payment.id for one in batch}
        changed = change_payments(
            connection,
            self.deployment.tables,
            ids,
            from_status=PaymentStatus.INITIATED,
            to_status=PaymentStatus.EXPIRED,
            now=self._now(),
        )
        if changed != ids:
            raise ChangedUnderneath
        return [PaymentExpired.of(one).event() for one in batch]

    def _write_held(self, connection: Connection, snapshot: Snapshot, label: FindingCode) -> None:
        wallet = snapshot.wallet
        if snapshot.payment.status is PaymentStatus.INITIATED:
            self._report(connection, self._expire_payments(connection, [snapshot]))
        if wallet.state is not WalletState.RECEIVED_FUNDS:
            self._set_wallets(connection, [wallet], WalletState.RECEIVED_FUNDS)
        found = held(snapshot, label)
        before = findings.amounts_of(connection, wallet.id, HELD)
        has_changed = before != {(one.code, one.mint): one.amount for one in found}
        # What no longer stands is not reported again and again; what still does keeps its first date.
        self._clear(connection, [wallet], {*HELD, *JUDGED} if has_changed else JUDGED)
        findings.note(connection, found, self.run, self._now())
        if has_changed:
            self._report(connection, [PaymentHeld.of(snapshot, label).event()])

    def _write_at_rest(
        self, kind: EventKind, rest: _Rest, connection: Connection, batch: Sequence[Snapshot]
    ) -> None:
        ids = [one.payment.id for one in batch]
        last = outbox.last_bodies(connection, kind, ids)
        reported = {payment_id: body["movements"] for payment_id, body in last.items()}
        self._report(connection, rest(connection, batch, reported))

    def _sweep_wallets(
        self, connection: Connection, batch: Sequence[Snapshot], reported: Mapping[int, object]
    ) -> list[Event]:
        moved = transactions.landed_movements(connection, [one.wallet.id for one in batch])
        bodies = []
        by_receiver: dict[str, list[Wallet]] = {}
        for snapshot in batch:
            its_moves = moved[snapshot.wallet.id]
            receiver = _receiver_of(its_moves, self.deployment.receiver)
            by_receiver.setdefault(receiver, []).append(snapshot.wallet)
            bodies.append(WalletSwept.of(snapshot, its_moves, receiver))
        for receiver, wallets in by_receiver.items():
            self._set_wallets(connection, wallets, WalletState.SENT_FUNDS, receiver)
        self._clear(connection, _wallets(batch), {*HELD, *STUCK})
        too_much = [
            finding
            for one in batch
            for finding in overpaid_at_home(one, _paid_to(one.payment, moved[one.wallet.id]))
        ]
        findings.note(connection, too_much, self.run, self._now())
        return _at_rest(bodies, reported)

    def _close_wallets(
        self, connection: Connection, batch: Sequence[Snapshot], reported: Mapping[int, object]
    ) -> list[Event]:
        moved = transactions.landed_movements(connection, [one.wallet.id for one in batch])
        self._set_wallets(connection, _wallets(batch), WalletState.CLOSED)
        # Money of an expired payment that went elsewhere stays reported: closing its empty wallet brings none back.
        self._clear(connection, _wallets(batch), {*HELD, *STUCK} - {FindingCode.FUNDS_ELSEWHERE})
        bodies = [WalletClosed.of(one, moved[one.wallet.id]) for one in batch]
        return _at_rest(bodies, reported)

    def _set_wallets(
        self,
        connection: Connection,
        wallets: Sequence[Wallet],
        state: WalletState,
        receiver_address: str | None = None,
    ) -> None:
        set_wallets(connection, self.deployment.tables, wallets, state, self._now(), receiver_address)

    def _clear(
        self, connection: Connection, wallets: Sequence[Wallet], codes: Collection[FindingCode]
    ) -> None:
        findings.clear(connection, [wallet.id for wallet in wallets], codes, self._now())

    def _report(self, connection: Connection, events: Sequence[Event]) -> None:
        outbox.append(connection, events, self.run, self._now())

    def _now(self) -> datetime:
        return self.deployment.clock()


def _wallet(snapshot: Snapshot) -> Wallet:
    return snapshot.wallet


def _wallets(batch: Sequence[Snapshot]) -> list[Wallet]:
    return [one.wallet for one in batch]


def _at_rest(bodies: Sequence[WalletSwept | WalletClosed], reported: Mapping[int, object]) -> list[Event]:
    """The events of wallets at rest, but for those that were reported last with the same movements.

    The peer's verify endpoint opens a wallet again whenever a customer's page asks.
    """
    return [
        body.event()
        for body in bodies
        if body.payment_id not in reported or reported[body.payment_id] != body.as_json()["movements"]
    ]


def _paid_to(payment: Payment, moved: Sequence[LandedMovement]) -> Counter[Pubkey | None]:
    """What came home of a wallet that can pay its payment, base units by mint (None: lamports).

    Lamports that lay at the address of a token account were asked for by nobody.
    """
    home: Counter[Pubkey | None] = Counter()
    for one in moved:
        if one.kind is MovementKind.TOKENS and one.mint is not None:
            home[Pubkey.from_string(one.mint)] += one.amount
        elif one.kind is MovementKind.LAMPORTS and one.source == str(payment.address):
            home[None] += one.amount
    return home


def _receiver_of(moved: Sequence[LandedMovement], receiver: Pubkey) -> str:
    """Who has a wallet's money: `receiver`, that of the settings, or the one to whom it was last sent.

    What shows another receiver of tokens alone is the token account that took them.
    """
    for movement in reversed(moved):
        if movement.kind is MovementKind.LAMPORTS:
            return movement.destination
        if movement.kind is MovementKind.TOKENS and movement.mint is not None:
            mint = Pubkey.from_string(movement.mint)
            own = {str(associated_token_address(receiver, mint, program)) for program in TOKEN_PROGRAMS}
            return str(receiver) if movement.destination in own else movement.destination
    return str(receiver)
