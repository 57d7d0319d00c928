"""A payment as the customer sees it, and what the chain says it is worth: an oracle that shares no code with ours."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.chain.token_layout import (
    NATIVE_MINT,
    TOKEN_PROGRAMS,
    TokenAccount,
    read_token_account,
)

Money = Counter[Pubkey | None]
"""Base units by mint, None for lamports."""

_FROZEN = 2


@dataclass(slots=True)
class Version:
    """What was asked while this version of a payment's row stood. Times are unix seconds, prices base units by mint.

    `until` is when the shop changed it. `known_since` is when we must have seen it at the latest, None where nobody
    can say that we did; `missed_by` when we must have seen that it was gone.
    """

    prices: Mapping[Pubkey | None, int]
    expires: int
    since: int
    until: int | None = None
    known_since: int | None = None
    missed_by: int | None = None

    @property
    def stands(self) -> bool:
        return self.until is None


@dataclass(slots=True, eq=False)
class Till:
    """One payment with its wallet, and every version of what was asked for it, oldest first."""

    number: int
    payment_id: int
    wallet_id: int
    keypair: Keypair
    versions: list[Version]
    is_deleted: bool = False
    is_elsewhere: bool = False
    """The row names an address that is not the wallet's."""

    @property
    def address(self) -> Pubkey:
        return self.keypair.pubkey()

    @property
    def prices(self) -> Mapping[Pubkey | None, int]:
        """What the row asks for now, in base units by mint, None for SOL."""
        return self.versions[-1].prices

    @property
    def expires(self) -> int:
        """Until when, as the row says now."""
        return self.versions[-1].expires

    @property
    def asked(self) -> dict[Pubkey | None, int]:
        """All that was ever asked for; the newest price of each."""
        return {mint: price for version in self.versions for mint, price in version.prices.items()}

    def change(
        self, moment: int, *, prices: Mapping[Pubkey | None, int] | None = None, expires: int | None = None
    ) -> None:
        """The shop has written another version into the row."""
        last = self.versions[-1]
        last.until = moment
        self.versions.append(
            Version(
                last.prices if prices is None else prices,
                last.expires if expires is None else expires,
                moment,
            )
        )

    def seen(self, moment: int) -> None:
        """A run of ours has looked at the row and ended well, by this moment."""
        last = self.versions[-1]
        last.known_since = last.known_since or moment
        for version in self.versions[:-1]:
            version.missed_by = version.missed_by or moment


@dataclass(frozen=True, slots=True)
class Change:
    """One successful transaction: base units that each owner gained (negative: lost), by mint."""

    signature: str
    slot: int
    block_time: int
    fee: int
    fee_payer: Pubkey
    lamports: Mapping[Pubkey, int]
    tokens: Mapping[Pubkey, Mapping[Pubkey, int]]
    """By mint, then by owner."""
    owners: Mapping[Pubkey, Pubkey]
    """Of the token accounts in it."""
    unsynced: Mapping[Pubkey, int]
    """Lamports that came to open accounts of wrapped SOL and that no SyncNative has counted yet, by owner."""
    handed_over: Mapping[Pubkey, Money]
    """What was in accounts that got another owner, by the new one; no history of his names it."""

    def of(self, owner: Pubkey) -> Money:
        """What this owner gained or lost."""
        money: Money = Counter()
        if self.lamports.get(owner):
            money[None] = self.lamports[owner]
        for mint, owners in self.tokens.items():
            if owners.get(owner):
                money[mint] = owners[owner]
        if self.unsynced.get(owner):
            money[NATIVE_MINT] += self.unsynced[owner]
        return money


class Account:
    """Reads changes off the chain's history, each once."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._read: dict[tuple[str, int], Change | None] = {}

    def changes(self, until_slot: int | None = None) -> Iterable[Change]:
        """All that is in the chain now up to this slot, oldest first."""
        for record in self._chain.history.everything():
            if until_slot is not None and record.slot > until_slot:
                continue
            key = (record.signature, record.slot)
            if key not in self._read:
                self._read[key] = None if record.err is not None else _change(record)
            change = self._read[key]
            if change is not None:
                yield change


CLOCK_SECONDS = 120
"""Clocks of shops and of chains may be this far apart before anything of ours may go wrong."""


def must_be_accepted(till: Till, changes: Iterable[Change], ours: Pubkey, skew: float = 0) -> bool:
    """Whether a version that stands, or stood and was seen by us, was paid in full and in time.

    `skew` is by how many seconds the merchant's clock may have been wrong when versions were seen.
    """
    changes = list(changes)
    margin = int(skew)
    for place, version in enumerate(till.versions):
        if not version.stands and version.known_since is None:
            continue
        starts = version.since + margin if place else 0
        ends = version.expires if version.until is None else min(version.expires, version.until - margin)
        if any(
            starts <= moment <= ends
            for moment in _paid_at(till, version, changes, ours, counts_handed_over=False)
        ):
            return True
    return False


def may_be_accepted(till: Till, changes: Iterable[Change], ours: Pubkey, skew: float = 0) -> bool:
    """Whether a version was paid in full and in time that may have stood then, as far as we could know."""
    changes = list(changes)
    margin = CLOCK_SECONDS + int(skew)
    for place, version in enumerate(till.versions):
        before = till.versions[place - 1] if place else None
        starts = before.since - margin if before is not None and before.known_since is not None else 0
        ends = (
            version.expires if version.missed_by is None else min(version.expires, version.missed_by + margin)
        )
        if any(
            starts <= moment <= ends
            for moment in _paid_at(till, version, changes, ours, counts_handed_over=True)
        ):
            return True
    return False


def _paid_at(
    till: Till, version: Version, changes: Iterable[Change], ours: Pubkey, *, counts_handed_over: bool
) -> list[int]:
    """When each price of a version was complete, in unix seconds."""
    complete: dict[Pubkey | None, int] = {}
    sums: Money = Counter()
    for change in changes:
        if change.fee_payer == ours:
            continue
        handed_over = {} if counts_handed_over else change.handed_over
        for mint, gained in change.of(till.address).items():
            amount = gained - (handed_over[till.address][mint] if till.address in handed_over else 0)
            if amount <= 0:
                continue
            sums[mint] += amount
            price = version.prices.get(mint)
            if price is not None and sums[mint] >= price:
                complete.setdefault(mint, change.block_time)
    return list(complete.values())


def token_accounts(chain: Chain, owner: Pubkey) -> list[tuple[Pubkey, TokenAccount, int]]:
    """Token accounts of an owner as they are now: address, contents, lamports."""
    found = []
    for address in chain.accounts.token_accounts_of(owner):
        account = chain.accounts.newest(address)
        state = None if account is None else read_token_account(account.owner, account.data)
        if account is not None and state is not None and state.owner == owner:
            found.append((address, state, account.lamports))
    return found


def holdings(
    chain: Chain, owner: Pubkey, slot: int | None = None, besides: Set[Pubkey] = frozenset()
) -> tuple[Money, Money]:
    """What an owner holds at `slot` (None: now) but for some accounts: what can be moved, and what is frozen."""
    movable: Money = Counter()
    frozen: Money = Counter()

    def at(address: Pubkey) -> object:
        return chain.accounts.newest(address) if slot is None else chain.accounts.at(address, slot)

    system = at(owner)
    if system is not None:
        movable[None] = system.lamports  # type: ignore[attr-defined]
    for address in chain.accounts.token_accounts_of(owner):
        account = None if address in besides else at(address)
        if account is None or account.owner not in TOKEN_PROGRAMS:  # type: ignore[attr-defined]
            continue
        state = read_token_account(account.owner, account.data)  # type: ignore[attr-defined]
        if state is not None and state.owner == owner and state.amount:
            (frozen if state.state == _FROZEN else movable)[state.mint] += state.amount
    return +movable, frozen


def _change(record: TransactionRecord) -> Change:
    executed, keys = record.executed, record.decoded.keys
    lamports: Counter[Pubkey] = Counter()
    for key, before, after in zip(keys, executed.pre_balances, executed.post_balances, strict=True):
        lamports[key] += after - before
    tokens: defaultdict[Pubkey, Counter[Pubkey]] = defaultdict(Counter)
    for balances, sign in ((executed.pre_token_balances, -1), (executed.post_token_balances, 1)):
        for balance in balances:
            tokens[balance.mint][balance.owner] += sign * balance.amount
    owners = {
        keys[balance.account_index]: balance.owner
        for balance in (*executed.pre_token_balances, *executed.post_token_balances)
    }
    unsynced: Counter[Pubkey] = Counter()
    before = {one.account_index: one.amount for one in executed.pre_token_balances if one.mint == NATIVE_MINT}
    for after in executed.post_token_balances:
        place = after.account_index
        if after.mint == NATIVE_MINT and place in before:
            came = executed.post_balances[place] - executed.pre_balances[place]
            unsynced[after.owner] += came - (after.amount - before[place])
    return Change(
        record.signature,
        record.slot,
        record.block_time,
        executed.fee,
        record.decoded.fee_payer,
        {key: amount for key, amount in lamports.items() if amount},
        {mint: dict(by_owner) for mint, by_owner in tokens.items()},
        owners,
        {owner: units for owner, units in unsynced.items() if units},
        _handed_over(record),
    )


def _handed_over(record: TransactionRecord) -> dict[Pubkey, Money]:
    before = {one.account_index: one.owner for one in record.executed.pre_token_balances}
    money: dict[Pubkey, Money] = {}
    for one in record.executed.post_token_balances:
        if before.get(one.account_index, one.owner) != one.owner:
            money.setdefault(one.owner, Counter())[one.mint] += one.amount
    return money
