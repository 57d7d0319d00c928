"""What operations read, out of the database."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import acceptances, findings, outbox, recheck_queue, transactions
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.transactions import OpenTransaction
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline.operations.context.books import LASTING
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.records import queries
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.records.vault import Sealed

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DatabaseRecords:
    """See `Records`."""

    engine: Engine
    tables: PeerTables
    options: Options

    def wallets(self, wanted: Wanted, *, after: int) -> Page:
        """See `Records`."""
        run = wanted.not_reported_by
        return self._ask(
            lambda connection: queries.wallets_page(
                connection,
                self.tables,
                states=wanted.states,
                after_wallet_id=after,
                limit=self.options.page_size,
                payment_ids=self.options.payment_ids,
                payment_statuses=wanted.payment_statuses,
                expired_since=wanted.expired_since,
                without=None if run is None else outbox.payments_told_in(run),
            )
        )

    def due(self, now: datetime, *, after: int) -> Page:
        """See `Records`."""
        return self._ask(
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
        return self._ask(
            lambda connection: queries.watched_page(
                connection, self.tables, after_payment_id=after, limit=limit, expired_since=expired_since
            )
        )

    def of_payments(self, payment_ids: Sequence[int]) -> Page:
        """See `Records`."""
        return self._ask(lambda connection: queries.wallets_of_payments(connection, self.tables, payment_ids))

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

    def _ask(self, question: Callable[[Connection], Answer]) -> Answer:
        with reading(self.engine) as connection:
            return question(connection)
