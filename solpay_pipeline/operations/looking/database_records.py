"""What operations read, out of the database."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import (
    acceptances,
    findings,
    offers,
    outbox,
    recheck_queue,
    transactions,
    watch_list,
)
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.transactions import OpenTransaction
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.books import LASTING
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.records import queries
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.records.vault import Sealed

Answer = TypeVar("Answer")

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
            lambda connection: queries.wallets_page(
                connection,
                self.tables,
                states=wanted.states,
                after_wallet_id=after,
                limit=self.options.page_size,
                payment_ids=self.options.payment_ids,
                payment_statuses=wanted.payment_statuses,
            )
        )

    def due(self, now: datetime, *, after: int) -> Page:
        """See `Records`."""
        return self._page(
            lambda connection: queries.due_page(
                connection,
                self.tables,
                now=now,
                after_payment_id=after,
                limit=self.options.page_size,
                payment_ids=self.options.payment_ids,
            )
        )

    def open_to_money(self, *, after: int, expired_since: datetime) -> Page:
        """See `Records`."""
        limit = self.options.page_size
        return self._page(
            lambda connection: queries.watched_page(
                connection, self.tables, after_payment_id=after, limit=limit, expired_since=expired_since
            )
        )

    def of_payments(self, payment_ids: Sequence[int]) -> Page:
        """See `Records`."""
        return self._page(
            lambda connection: queries.wallets_of_payments(connection, self.tables, payment_ids)
        )

    def to_watch(
        self, states: Collection[WalletState], now: datetime, run: RunRef, *, limit: int
    ) -> list[int]:
        """See `Records`."""
        named = self.options.payment_ids

        def ask(connection: Connection) -> list[int]:
            at_rest = queries.payments_at_rest(
                connection,
                self.tables,
                states=states,
                payment_ids=named,
                without=outbox.payments_told_in(run),
            )
            return watch_list.due(connection, at_rest, _ALWAYS if named is not None else now, limit)

        return self._ask(ask)

    def to_recheck(self, statuses: Collection[PaymentStatus]) -> list[int]:
        """See `Records`."""

        def ask(connection: Connection) -> list[int]:
            candidates = queries.payment_ids_with_status(
                connection,
                self.tables,
                statuses=statuses,
                created_from=self.options.created_from,
                created_until=self.options.created_until,
                payment_ids=self.options.payment_ids,
            )
            return recheck_queue.longest_unseen(connection, candidates, self.options.limit)

        return self._ask(ask)

    def unreported_acceptances(self, *, after: int) -> list[int]:
        """See `Records`."""

        def ask(connection: Connection) -> list[int]:
            accepted = queries.payment_ids_with_status(
                connection, self.tables, statuses=LASTING, payment_ids=self.options.payment_ids
            )
            limit = self.options.page_size
            return acceptances.unclaimed(connection, accepted, after=after, limit=limit)

        return self._ask(ask)

    def busy(self, wallet_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        return self._ask(lambda connection: transactions.busy_wallets(connection, wallet_ids))

    def gone_home(self, wallet_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        return self._ask(lambda connection: transactions.gone_home(connection, wallet_ids))

    def expired_by_us(self, payment_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        kind = EventKind.PAYMENT_EXPIRED
        return set(self._ask(lambda connection: outbox.last_bodies(connection, kind, payment_ids)))

    def set_aside(self, wallet_ids: Collection[int]) -> set[int]:
        """See `Records`."""
        return self._ask(lambda connection: findings.set_aside_among(connection, wallet_ids))

    def sealed_keypairs(self, wallet_ids: Collection[int]) -> dict[int, Sealed]:
        """See `Records`."""
        return self._ask(lambda connection: queries.sealed_keypairs(connection, self.tables, wallet_ids))

    def open_transactions(self) -> list[OpenTransaction]:
        """See `Records`."""
        return self._ask(transactions.open_transactions)

    def _page(self, question: Callable[[Connection], Page]) -> Page:
        def ask(connection: Connection) -> Page:
            page = question(connection)
            payments = [one.payment for one in page if isinstance(one, Wallet) and one.payment is not None]
            earlier = {one.id: one for one in offers.with_earlier(connection, payments)}
            return [
                replace(one, payment=earlier[one.payment.id])
                if isinstance(one, Wallet) and one.payment is not None
                else one
                for one in page
            ]

        return self._ask(ask)

    def _ask(self, question: Callable[[Connection], Answer]) -> Answer:
        with reading(self.engine) as connection:
            return question(connection)
