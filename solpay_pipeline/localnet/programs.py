"""Runs programs in a thread of their own, since LiteSVM leaves that thread's x87 registers full.

Its compiled programs do not clear them. In the same thread SQLite, which reads decimals through `long double`, would
then store NULL for `0.1` (seen with solders 0.29 and SQLite 3.40 on x86-64). Registers belong to a thread, so a thread
of its own keeps it from everybody else.
"""

from concurrent.futures import ThreadPoolExecutor

from solders.litesvm import LiteSVM
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)


class Programs:
    """The part of a LiteSVM that runs programs; its accounts are read and written on the LiteSVM itself."""

    def __init__(self, svm: LiteSVM) -> None:
        self._svm = svm
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="solpay-svm")

    def send(self, transaction: VersionedTransaction) -> TransactionMetadata | FailedTransactionMetadata:
        """Execute and keep the effects."""
        return self._thread.submit(self._svm.send_transaction, transaction).result()

    def simulate(
        self, transaction: VersionedTransaction
    ) -> SimulatedTransactionInfo | FailedTransactionMetadata:
        """Execute and keep nothing."""
        return self._thread.submit(self._svm.simulate_transaction, transaction).result()
