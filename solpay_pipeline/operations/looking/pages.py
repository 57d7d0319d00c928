"""Wallets by keyset pages, so that memory does not grow with the number of rows."""

from collections.abc import Callable, Collection, Iterator, Sequence

from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.records import Page, Wanted
from solpay_pipeline.records.rows import UnreadableRow


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
    return _pages(
        context,
        lambda after: context.records.due(context.chain_time, after=after),
        lambda row: row.payment_id if isinstance(row, UnreadableRow) else _payment_id(row),
    )


def orphan_pages(context: OperationContext) -> Iterator[list[Wallet]]:
    """Pages of wallets that no payment points at, in any state: all of them are set aside, none is left to work on."""
    return _pages(
        context,
        lambda after: context.records.without_payment(after=after),
        lambda row: row.wallet_id if isinstance(row, UnreadableRow) else row.id,
        is_counted=False,
    )


def readable(context: OperationContext, page: Page, *, is_counted: bool = True) -> list[Wallet]:
    """The wallets of a page that can be worked on; the others are set aside with their reason."""
    wallets: list[Wallet] = []
    findings: list[Finding] = []
    for row in page:
        if isinstance(row, UnreadableRow):
            findings.append(Finding(FindingCode.UNREADABLE_ROW, row.wallet_id, row.payment_id, row.reason))
        elif row.payment is None:
            words = "no payment points at this wallet; its address and what it holds are unknown"
            findings.append(Finding.about(row, FindingCode.NO_PAYMENT, words))
        else:
            wallets.append(row)
    context.tally.looked_at += len(page) if is_counted else 0
    payments = [wallet.payment for wallet in wallets if wallet.payment is not None]
    context.books.remember_offers(payments)
    findings += [
        _changed(wallet) for wallet in wallets if wallet.payment is not None and wallet.payment.earlier
    ]
    if findings:
        context.books.note(findings)
    return wallets


def _changed(wallet: Wallet) -> Finding:
    payment = wallet.payment
    words = "what the payment asks for was changed after it was made; every version that may have stood can be paid"
    return Finding(FindingCode.OFFER_CHANGED, wallet.id, None if payment is None else payment.id, words)


def watched_pages(
    context: OperationContext, states: Collection[WalletState], *, limit: int
) -> Iterator[list[Wallet]]:
    """Pages of wallets at rest that are due for a look, but for those that this run has reported on already."""
    ids = context.records.to_watch(states, context.chain_time, context.run, limit=limit)
    size = context.options.page_size
    for start in range(0, len(ids), size):
        if context.must_stop():
            return
        yield readable(context, context.records.of_payments(ids[start : start + size]), is_counted=False)


def without_busy(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    """Leave out wallets with a leg in flight: the ledger will settle them first."""
    if not wallets:
        return []
    busy = context.records.busy([wallet.id for wallet in wallets])
    context.tally.in_flight += len(busy)
    return [wallet for wallet in wallets if wallet.id not in busy]


def without_waiting(context: OperationContext, wallets: Sequence[Wallet]) -> list[Wallet]:
    """Leave out wallets whose history no endpoint could tell, until their pause is over; it grows each time."""
    if not wallets:
        return []
    waiting = context.records.waiting([wallet.id for wallet in wallets], context.deployment.clock())
    return [wallet for wallet in wallets if wallet.id not in waiting]


def _payment_id(wallet: Wallet) -> int | None:
    return None if wallet.payment is None else wallet.payment.id


def _pages(
    context: OperationContext,
    read: Callable[[int], Page],
    key: Callable[[Wallet | UnreadableRow], int | None],
    is_counted: bool = True,
) -> Iterator[list[Wallet]]:
    after = 0
    while not context.must_stop():
        page = read(after)
        keys = [found for found in map(key, page) if found is not None]
        if not keys:
            return
        after = max(keys)
        yield readable(context, page, is_counted=is_counted)
    # How many more there are is not worth asking for; that there are some is.
    context.tally.left += len(read(after)) if is_counted else 0
