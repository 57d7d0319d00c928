"""Wallets by keyset pages, so that memory does not grow with the number of rows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, Select

from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.errand import Errand
from solpay_pipeline.operations.rounds import readable
from solpay_pipeline.records.database import reading
from solpay_pipeline.records.queries import due_page, wallets_page
from solpay_pipeline.records.rows import UnreadableRow

Page = Sequence[Wallet | UnreadableRow]


def wallet_pages(
    errand: Errand,
    *,
    states: Collection[WalletState],
    payment_statuses: Collection[PaymentStatus] | None = None,
    expired_since: datetime | None = None,
    without: Select[int] | None = None,
    is_counted: bool = True,
) -> Iterator[list[Wallet]]:
    """Pages of readable wallets in these states, by id; unreadable rows are set aside on the way.

    Payments in the select `without` are left out. `is_counted` is false for a second look at wallets that an operation
    has counted already.
    """

    def read(connection: Connection, after: int) -> Page:
        return wallets_page(
            connection,
            errand.merchant.tables,
            states=states,
            after_wallet_id=after,
            limit=errand.options.page_size,
            payment_ids=errand.options.payment_ids,
            payment_statuses=payment_statuses,
            expired_since=expired_since,
            without=without,
        )

    return _pages(
        errand, read, lambda row: row.wallet_id if isinstance(row, UnreadableRow) else row.id, is_counted
    )


def due_pages(errand: Errand) -> Iterator[list[Wallet]]:
    """Pages of wallets whose initiated payment's time is over by the chain's clock."""

    def read(connection: Connection, after: int) -> Page:
        return due_page(
            connection,
            errand.merchant.tables,
            now=errand.chain_time,
            after_payment_id=after,
            limit=errand.options.page_size,
            payment_ids=errand.options.payment_ids,
        )

    return _pages(errand, read, _payment_id)


def _payment_id(row: Wallet | UnreadableRow) -> int | None:
    if isinstance(row, UnreadableRow):
        return row.payment_id
    return None if row.payment is None else row.payment.id


def _pages(
    errand: Errand,
    read: Callable[[Connection, int], Page],
    key: Callable[[Wallet | UnreadableRow], int | None],
    is_counted: bool = True,
) -> Iterator[list[Wallet]]:
    after = 0
    while not errand.must_stop():
        with reading(errand.merchant.engine) as connection:
            page = read(connection, after)
        if not page:
            return
        keys = [found for found in map(key, page) if found is not None]
        if not keys:
            return
        after = max(keys)
        yield readable(errand, page, is_counted=is_counted)
