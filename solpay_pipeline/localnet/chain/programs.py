"""Runs programs in a thread of their own, since LiteSVM leaves that thread's x87 registers full.

Its compiled programs do not clear them. In the same thread SQLite, which reads decimals through `long double`, would
then store NULL for `0.1` (seen with solders 0.29 and SQLite 3.40 on x86-64). Each thread has its own registers.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
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
        self._lent: set[int] = set()

    def lend_this_thread(self) -> None:
        """Lets programs run in the calling thread when it asks for one, which saves two switches a call. Only for a
        thread that does nothing else with floating point, such as a server's.
        """
        self._lent.add(threading.get_ident())

    def take_back_this_thread(self) -> None:
        """Ends that: a later thread may get the same identifier."""
        self._lent.discard(threading.get_ident())

    def load(self, program: Pubkey, path: Path) -> None:
        """Deploys an ELF file; ValueError where it is not one, OSError where it cannot be read."""
        elf = path.read_bytes()
        if not elf.startswith(b"\x7fELF"):
            raise ValueError(f"{path} is not a program: it does not begin like an ELF file")
        try:
            self._thread.submit(self._svm.add_program, program, elf).result()
        except Exception as error:
            # solders raises an error here that has no public name.
            raise ValueError(f"{path} is not a program that runs: {error}") from error

    def send(self, transaction: VersionedTransaction) -> TransactionMetadata | FailedTransactionMetadata:
        """Execute and keep the effects."""
        if threading.get_ident() in self._lent:
            return self._svm.send_transaction(transaction)
        return self._thread.submit(self._svm.send_transaction, transaction).result()

    def simulate(
        self, transaction: VersionedTransaction
    ) -> SimulatedTransactionInfo | FailedTransactionMetadata:
        """Execute and keep nothing."""
        if threading.get_ident() in self._lent:
            return self._svm.simulate_transaction(transaction)
        return self._thread.submit(self._svm.simulate_transaction, transaction).result()
