"""Accounts as of any slot back to the finalized one. LiteSVM holds the newest state alone. What it overwrites is kept
here until the slot that wrote it is final: reads at `confirmed` and `finalized` and forks need it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from solders.account import Account
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.settled import SettledJson
from solpay_pipeline.localnet.chain.token_layout import TOKEN_PROGRAMS, read_token_account

CLOCK_SYSVAR = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")

_SYSTEM_PROGRAM = Pubkey.default()
_BEFORE_ALL = -1

_Version = tuple[int, Account | None]


class AccountStore:
    """The accounts of a LiteSVM with their recent past, and an index of token accounts by owner.

    `clock` makes the Clock sysvar of a slot: no transaction writes it, and each block has its own.
    """

    def __init__(self, svm: LiteSVM, clock: Callable[[int], Account]) -> None:
        self._svm = svm
        self._clock = clock
        self.settled = SettledJson()
        self._written: dict[Pubkey, None] = {}
        self._versions: dict[Pubkey, list[_Version]] = {}
        self._touched: deque[tuple[int, Pubkey]] = deque()
        self._by_program: dict[Pubkey, dict[Pubkey, None]] = {}
        self._by_token_owner: dict[Pubkey, dict[Pubkey, None]] = {}

    def newest(self, address: Pubkey) -> Account | None:
        """The account as the last transaction left it; None where it does not exist."""
        return self._svm.get_account(address)

    def at(self, address: Pubkey, slot: int) -> Account | None:
        """The account as the block in `slot` left it; `slot` is not below the finalized one."""
        versions = self._versions.get(address)
        if versions is not None and versions[-1][0] > slot:
            return _as_of(versions, slot)
        return self._clock(slot) if address == CLOCK_SYSVAR else self._svm.get_account(address)

    def is_settled(self, address: Pubkey) -> bool:
        """Whether the account is the same at all commitment levels."""
        return address not in self._versions and address != CLOCK_SYSVAR

    def unchanged_since(self, slot: int, addresses: Iterable[Pubkey]) -> bool:
        """Whether `slot` left all of these as they are now."""
        versions = self._versions
        return not any(address in versions and versions[address][-1][0] > slot for address in addresses)

    def all(self) -> list[tuple[Pubkey, Account]]:
        """Every account, except those that a chain begins with and no transaction has changed."""
        read = self._svm.get_account
        return [(address, account) for address in self._written if (account := read(address)) is not None]

    def undo(self, before: dict[Pubkey, Account | None], touched: Iterable[Pubkey]) -> None:
        """Undoes what a transaction has just written and `record` has not seen."""
        for address in touched:
            if self._svm.get_account(address) != before[address]:
                self._write(address, before[address])

    def record(
        self, slot: int, before: dict[Pubkey, Account | None], after: dict[Pubkey, Account | None]
    ) -> None:
        """Keeps what the block in `slot` changed: the same addresses before and after it."""
        for address, account in after.items():
            previous = before[address]
            if previous == account:
                continue
            self.settled.changed(address)
            self._written[address] = None
            versions = self._versions.setdefault(address, [(_BEFORE_ALL, previous)])
            if versions[-1][0] == slot:
                _, replaced = versions[-1]
                versions[-1] = (slot, account)
                if replaced is not None and (account is None or account.owner != replaced.owner):
                    self._forget_owner(address, replaced, [version for _, version in versions])
            else:
                versions.append((slot, account))
                self._touched.append((slot, address))
            self._index(address, account)

    def put(self, slot: int, address: Pubkey, account: Account | None) -> None:
        """Writes an account without a transaction, as a genesis file would; None removes it."""
        before = self.newest(address)
        self._write(address, account)
        self.record(slot, {address: before}, {address: account})

    def deployed(self, program: Pubkey) -> None:
        """Adds a program that LiteSVM wrote by itself."""
        account = self.newest(program)
        for address in (program, *_programdata(account)):
            self.settled.changed(address)
            self._written[address] = None
        self._index(program, account)

    def prune(self, finalized_slot: int) -> None:
        """Forgets the versions that no commitment level can read any more."""
        while self._touched and self._touched[0][0] <= finalized_slot:
            _, address = self._touched.popleft()
            versions = self._versions.get(address)
            if versions is None:
                continue
            if versions[-1][0] <= finalized_slot:
                del self._versions[address]
                self._forget_owners(address, versions)
                continue
            while len(versions) > 1 and versions[1][0] <= finalized_slot:
                versions.pop(0)

    def roll_back(self, slot: int) -> None:
        """Makes the state of `slot` the newest one."""
        for address, versions in self._versions.items():
            if versions[-1][0] > slot:
                account = _as_of(versions, slot)
                self._write(address, account)
                self._index(address, account)
        self._versions = {
            address: kept
            for address, versions in self._versions.items()
            if len(kept := [version for version in versions if version[0] <= slot]) > 1
        }
        self._touched = deque(touch for touch in self._touched if touch[0] <= slot)

    @contextmanager
    def as_of(self, slot: int, addresses: Iterable[Pubkey]) -> Iterator[None]:
        """Shows LiteSVM these addresses as of `slot`, for a simulation at that state."""
        newest: dict[Pubkey, Account | None] = {}
        for address in addresses:
            versions = self._versions.get(address)
            if versions is not None and versions[-1][0] > slot:
                newest[address] = versions[-1][1]
                self._write(address, _as_of(versions, slot))
        try:
            yield
        finally:
            for address, account in newest.items():
                self._write(address, account)

    def owned_by_program(self, program: Pubkey) -> list[Pubkey]:
        """Addresses that have ever been this program's (a superset: read them to know)."""
        return list(self._by_program.get(program, ()))

    def token_accounts_of(self, owner: Pubkey) -> list[Pubkey]:
        """Token accounts that have ever had this owner (a superset: read them to know)."""
        return list(self._by_token_owner.get(owner, ()))

    def _index(self, address: Pubkey, account: Account | None) -> None:
        if account is None or account.owner == _SYSTEM_PROGRAM:
            return
        self._by_program.setdefault(account.owner, {})[address] = None
        if account.owner in TOKEN_PROGRAMS:
            token_account = read_token_account(account.owner, account.data)
            if token_account is not None:
                self._by_token_owner.setdefault(token_account.owner, {})[address] = None

    def _forget_owners(self, address: Pubkey, versions: list[_Version]) -> None:
        # Only the newest version can still be read: earlier owners no longer need the account in their index.
        newest = versions[-1][1]
        if newest is None:
            self._written.pop(address, None)
        for _, account in versions[:-1]:
            self._forget_owner(address, account, [newest])

    def _forget_owner(self, address: Pubkey, past: Account | None, kept: Sequence[Account | None]) -> None:
        if past is None or any(account is not None and account.owner == past.owner for account in kept):
            return
        _take_out(self._by_program, past.owner, address)
        state = read_token_account(past.owner, past.data)
        if state is not None:
            _take_out(self._by_token_owner, state.owner, address)

    def _write(self, address: Pubkey, account: Account | None) -> None:
        self.settled.changed(address)
        # LiteSVM removes an account without lamports, as the runtime does at the end of a transaction.
        self._svm.set_account(address, account or Account(0, b"", _SYSTEM_PROGRAM, False, 0))


def _programdata(program: Account | None) -> list[Pubkey]:
    # An upgradeable program's 36 bytes: its kind (4), then the address of its code.
    return [] if program is None or len(program.data) != 36 else [Pubkey(program.data[4:])]


def _take_out(index: dict[Pubkey, dict[Pubkey, None]], key: Pubkey, address: Pubkey) -> None:
    entries = index.get(key)
    if entries is not None:
        entries.pop(address, None)
        if not entries:
            del index[key]


def _as_of(versions: list[_Version], slot: int) -> Account | None:
    for written_in, account in reversed(versions):
        if written_in <= slot:
            return account
    return versions[0][1]
