"""Wallets by keyset pages, so that memory does not grow with the number of rows."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.records.rows import UnreadableRow

_WORTH_A_THREAD = 100
"""Rows of a page from which on the next one is read while the first is worked on."""


def wallet_pages(
    context: OperationContext, wanted: Wanted, *, is_counted: bool = True
) -> Iterator[list[Wallet]]:
    """Pages of readable wallets, by id; unreadable rows are set aside on the way.

    `is_counted` is false for a second look at wallets that an operation has counted already.
    """
    return _pages(
        context,
        lambda after: context.records.wallets(wanted, after=after),
        lambda row: row.wallet_id if isinstance(row, UnreadableRow) else row.id,
        is_counted,
    )


def due_pages(context: OperationContext) -> Iterator[list[Wallet]]:
    """Pages of wallets whose initiated payment's time is over by the chain's clock."""
    return _pages(context, lambda after: context.records.due(context.chain_time, after=after), _payment_id)


def readable(context: OperationContext, page: Page, *, is_counted: bool = True) -> list[Wallet]:
    """The wallets of a page that can be worked on; the others are set aside with their reason."""
    wallets: list[Wallet] = []
    findings: list[Finding] = []
    for row in page:
        if isinstance(row, UnreadableRow):
            findings.append(Finding(FindingCode.UNREADABLE_ROW, row.wallet_id, row.payment_id, row.reason))
        elif row.payment is None:
            words = "no payment points at this wallet; its address and what it holds are unknown"
            findings.append(Finding(FindingCode.NO_PAYMENT, row.id, None, words))
        else:
            wallets.append(row)
    context.tally.looked_at += len(page) if is_counted else 0
    if findings:
        context.books.note(findings)
    return wallets


def without_busy(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    """Leave out wallets with a leg in flight: the ledger will settle them first."""
    if not wallets:
        return []
    busy = context.records.busy([wallet.id for wallet in wallets])
    context.tally.in_flight += len(busy)
    return [wallet for wallet in wallets if wallet.id not in busy]


def _payment_id(row: Wallet | UnreadableRow) -> int | None:
    if isinstance(row, UnreadableRow):
        return row.payment_id
    return None if row.payment is None else row.payment.id


def _pages(
    context: OperationContext,
    read: Callable[[int], Page],
    key: Callable[[Wallet | UnreadableRow], int | None],
    is_counted: bool = True,
) -> Iterator[list[Wallet]]:
    """Behind a full page there may be another. It is only read meanwhile; the caller writes."""
    after = 0
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="solpay-page") as reader:
        ahead: Future[Page] | None = None
        while not context.must_stop():
            page = read(after) if ahead is None else ahead.result()
            keys = [found for found in map(key, page) if found is not None]
            if not keys:
                return
            after = max(keys)
            goes_on = len(page) == context.options.page_size >= _WORTH_A_THREAD
            ahead = reader.submit(read, after) if goes_on else None
            yield readable(context, page, is_counted=is_counted)
