"""Wallets by keyset pages, so that memory does not grow with the number of rows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import Connection, Select

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import transactions
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes.transitions import set_aside
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.records.queries import due_page, wallets_page
from solpay_pipeline.records.rows import UnreadableRow

Page = Sequence[Wallet | UnreadableRow]

_WORTH_A_THREAD = 100
"""Rows of a page from which on the next one is read while the first is worked on."""


def wallet_pages(
    context: OperationContext,
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
            context.deployment.tables,
            states=states,
            after_wallet_id=after,
            limit=context.options.page_size,
            payment_ids=context.options.payment_ids,
            payment_statuses=payment_statuses,
            expired_since=expired_since,
            without=without,
        )

    return _pages(
        context, read, lambda row: row.wallet_id if isinstance(row, UnreadableRow) else row.id, is_counted
    )


def due_pages(context: OperationContext) -> Iterator[list[Wallet]]:
    """Pages of wallets whose initiated payment's time is over by the chain's clock."""

    def read(connection: Connection, after: int) -> Page:
        return due_page(
            connection,
            context.deployment.tables,
            now=context.chain_time,
            after_payment_id=after,
            limit=context.options.page_size,
            payment_ids=context.options.payment_ids,
        )

    return _pages(context, read, _payment_id)


def readable(
    context: OperationContext, page: Sequence[Wallet | UnreadableRow], *, is_counted: bool = True
) -> list[Wallet]:
    """The wallets of a page that can be worked on; the others are set aside with their reason."""
    wallets: list[Wallet] = []
    findings: list[Finding] = []
    for row in page:
        if isinstance(row, UnreadableRow):
            findings.append(Finding(FindingCode.UNREADABLE_ROW, row.wallet_id, row.payment_id, row.reason))
        elif row.payment is None:
            words = "no payment points at this wallet; its address and what it holds cannot be told"
            findings.append(Finding(FindingCode.NO_PAYMENT, row.id, None, words))
        else:
            wallets.append(row)
    context.tally.looked_at += len(page) if is_counted else 0
    if findings:
        set_aside(context, findings)
    return wallets


def without_busy(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    """Leave out wallets with a leg in flight: the ledger will settle them first."""
    if not wallets:
        return []
    with reading(context.deployment.engine) as connection:
        busy = transactions.busy_wallets(connection, [wallet.id for wallet in wallets])
    context.tally.in_flight += len(busy)
    return [wallet for wallet in wallets if wallet.id not in busy]


def _payment_id(row: Wallet | UnreadableRow) -> int | None:
    if isinstance(row, UnreadableRow):
        return row.payment_id
    return None if row.payment is None else row.payment.id


def _pages(
    context: OperationContext,
    read: Callable[[Connection, int], Page],
    key: Callable[[Wallet | UnreadableRow], int | None],
    is_counted: bool = True,
) -> Iterator[list[Wallet]]:
    """Behind a full page there may be another. It is only read meanwhile: all that changes is in the caller's hands."""

    def read_after(last: int) -> Page:
        with reading(context.deployment.engine) as connection:
            return read(connection, last)

    after = 0
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="solpay-page") as reader:
        ahead: Future[Page] | None = None
        while not context.must_stop():
            page = read_after(after) if ahead is None else ahead.result()
            keys = [found for found in map(key, page) if found is not None]
            if not keys:
                return
            after = max(keys)
            goes_on = len(page) == context.options.page_size >= _WORTH_A_THREAD
            ahead = reader.submit(read_after, after) if goes_on else None
            yield readable(context, page, is_counted=is_counted)
