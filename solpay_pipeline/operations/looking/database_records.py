"""What operations read, out of the database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar

from solders.pubkey import Pubkey
from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import acceptances, findings, installation, outbox, transactions
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.seen import effects, followed, looks, offers, openings
from solpay_pipeline.ledger.tables import FollowState
from solpay_pipeline.ledger.transactions import FailuresInARow, OpenTransaction
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.books import LASTING
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.records import queries
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.records.vault import Sealed

A = TypeVar("A")
P = ParamSpec("P")

_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DatabaseRecords:
    """See `Records`."""

    engine: Engine
    tables: PeerTables
    options: Options

    def wallets(self, wanted: Wanted, *, after: int) -> Page:
        """See `Records`."""
        return self._page(
            queries.wallets_page,
            states=wanted.states,
            after_wallet_id=after,
            limit=self.options.page_size,
            payment_ids=self.options.payment_ids,
            payment_statuses=wanted.payment_statuses,
        )

    def due(self, now: datetime, *, after: int) -> Page:
        """See `Records`."""
        return self._page(
            queries.due_page,
            now=now,
            after_payment_id=after,
            limit=self.options.page_size,
            payment_ids=self.options.payment_ids,
        )

    def open_to_money(self, *, after: int, expired_since: datetime) -> Page:
        """See `Records`."""
        limit = self.options.page_size
        return self._page(
            queries.watched_page, after_payment_id=after, limit=limit, expired_since=expired_since
        )

    def of_payments(self, payment_ids: Sequence[int]) -> Page:
        """See `Records`."""
        return self._page(queries.wallets_of_payments, payment_ids)

    def without_payment(self, *, after: int) -> Page:
        """See `Records`."""
        if self.options.payment_ids is not None:
            return []
        return self._page(
            queries.wallets_without_payment, after_wallet_id=after, limit=self.options.page_size
        )

    def of_one_address(self, addresses: Collection[Pubkey]) -> Page:
        """See `Records`."""
        ids = self._rows(queries.payments_of_one_address, addresses)
        return self.of_payments(ids) if ids else []

    def openings(self, wallet_ids: Collection[int]) -> dict[int, dict[Pubkey, int]]:
        """See `Records`."""
        return self._ledger(openings.of_wallets, wallet_ids)

    def known_effects(self, address: Pubkey) -> dict[str, Effect]:
        """See `Records`."""
        return self._ledger(effects.of_address, address)

    def to_watch(
        self, states: Collection[WalletState], now: datetime, run: RunRef, *, limit: int
    ) -> list[int]:
        """See `Records`."""
        named = self.options.payment_ids
        with reading(self.engine) as connection:
            at_rest = queries.payments_at_rest(
                connection,
                self.tables,
                states=states,
                payment_ids=named,
                without=outbox.payments_told_in(run),
            )
            return looks.due_at_rest(connection, at_rest, now if named is None else _ALWAYS, limit)

    def to_recheck(self, statuses: Collection[PaymentStatus]) -> list[int]:
        """See `Records`."""
        options = self.options
        with reading(self.engine) as connection:
            candidates = queries.payment_ids_with_status(
                connection,
                self.tables,
                statuses=statuses,
                created_from=options.created_from,
                created_until=options.created_until,
                payment_ids=options.payment_ids,
            )
            return looks.longest_unseen(connection, candidates, options.limit)

    def unreported_acceptances(self, *, after: int) -> list[int]:
        """See `Records`."""
        options = self.options
        with reading(self.engine) as connection:
            accepted = queries.payment_ids_with_status(
                connection, self.tables, statuses=LASTING, payment_ids=options.payment_ids
            )
            return acceptances.unclaimed(connection, accepted, after=after, limit=options.page_size)

    def followed(self, addresses: Collection[Pubkey]) -> dict[Pubkey, FollowState]:
        """See `Records`."""
        return self._ledger(followed.states, addresses)

    def received(self, addresses: Collection[Pubkey]) -> dict[Pubkey, tuple[Pubkey | None, int]]:
        """See `Records`."""
        return self._ledger(followed.received, addresses)

    def busy(self, wallet_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        return self._ledger(transactions.busy_wallets, wallet_ids)

    def failures_in_a_row(self, wallet_ids: Collection[int]) -> Mapping[int, FailuresInARow]:
        """See `Records`."""
        return self._ledger(transactions.failures_in_a_row, wallet_ids)

    def moved_home(self, wallet_ids: Collection[int]) -> dict[int, dict[Pubkey | None, int]]:
        """See `Records`."""
        return self._ledger(transactions.moved_home, wallet_ids)

    def own_among(self, signatures: Collection[str]) -> set[str]:
        """See `Records`."""
        return self._ledger(transactions.own_among, signatures)

    def expired_by_us(self, payment_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        return set(self._ledger(outbox.last_bodies, EventKind.PAYMENT_EXPIRED, payment_ids))

    def began_at(self) -> datetime | None:
        """See `Records`."""
        return self._ledger(installation.began_at)

    def waiting(self, wallet_ids: Collection[int], now: datetime) -> set[int]:
        """See `Records`."""
        if self.options.payment_ids is not None or self.options.created_from is not None:
            return set()
        return self._ledger(looks.waiting, wallet_ids, now)

    def set_aside(self, wallet_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        return self._ledger(findings.set_aside_among, wallet_ids)

    def sealed_keypairs(self, wallet_ids: Collection[int]) -> dict[int, Sealed]:
        """See `Records`."""
        return self._rows(queries.sealed_keypairs, wallet_ids)

    def open_transactions(self) -> list[OpenTransaction]:
        """See `Records`."""
        return self._ledger(transactions.open_transactions)

    def _page(
        self, ask: Callable[Concatenate[Connection, PeerTables, P], Page], *args: P.args, **named: P.kwargs
    ) -> Page:
        """A page of rows, its payments with the earlier versions of their offers."""
        with reading(self.engine) as connection:
            page = ask(connection, self.tables, *args, **named)
            payments = [one.payment for one in page if isinstance(one, Wallet) and one.payment is not None]
            earlier = {one.id: one for one in offers.with_earlier(connection, payments)}
        return [
            replace(one, payment=earlier[one.payment.id])
            if isinstance(one, Wallet) and one.payment is not None
            else one
            for one in page
        ]

    def _rows(
        self, ask: Callable[Concatenate[Connection, PeerTables, P], A], *args: P.args, **named: P.kwargs
    ) -> A:
        with reading(self.engine) as connection:
            return ask(connection, self.tables, *args, **named)

    def _ledger(self, ask: Callable[Concatenate[Connection, P], A], *args: P.args, **named: P.kwargs) -> A:
        with reading(self.engine) as connection:
            return ask(connection, *args, **named)
