"""Wallets by keyset pages, so that memory does not grow with the number of rows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import Connection, Select

from solpay_pipeline.base.database import reading
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.moving.reconcile import readable
from solpay_pipeline.records.queries import due_page, wallets_page
from solpay_pipeline.records.rows import UnreadableRow

Page = Sequence[Wallet | UnreadableRow]

_WORTH_A_THREAD = 100
"""Rows of a page from which on the next one is read while the first is worked on."""


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
    """Behind a full page there may be another. It is only read meanwhile: all that changes is in the caller's hands."""

    def read_after(last: int) -> Page:
        with reading(errand.merchant.engine) as connection:
            return read(connection, last)

    after = 0
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="solpay-page") as reader:
        ahead: Future[Page] | None = None
        while not errand.must_stop():
            page = read_after(after) if ahead is None else ahead.result()
            keys = [found for found in map(key, page) if found is not None]
            if not keys:
                return
            after = max(keys)
            goes_on = len(page) == errand.options.page_size >= _WORTH_A_THREAD
            ahead = reader.submit(read_after, after) if goes_on else None
            yield readable(errand, page, is_counted=is_counted)
