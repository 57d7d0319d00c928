"""The statement of a wallet: all that ever came to it and left it, classified and summed, base unit by base unit.

A pure function of the wallet's transactions. Sums explain, presence does not: that a transaction also paid the
receiver says nothing about the rest of what it took.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.evidence.effects import Change, Effect
from solpay_pipeline.lifecycle.terms import CLOCK_SLACK

Asset = Pubkey | None
"""A mint, or None for lamports that are nobody's rent."""


class EntryClass(StrEnum):
    """What became of an amount. Incoming classes add to what the wallet holds, all others take from it."""

    CAME_IN = "came_in"
    WENT_HOME = "went_home"
    """To a receiver that was not revoked by then, or to a token account of one."""
    WITHHELD = "withheld"
    """Left the wallet and reached nobody: a token's transfer fee, or a burn."""
    FEE = "fee"
    """A transaction's fee that the wallet paid itself."""
    ELSEWHERE = "elsewhere"
    """To an address that is neither the wallet's nor a receiver's."""
    WRAPPED = "wrapped"
    """SOL became wrapped SOL within the wallet, or the other way: one asset loses what the other gains."""
    RENT_OPENED = "rent_opened"
    """What a token account was opened with. It is whose paid it, not the wallet's money."""
    RENT_RETURNED = "rent_returned"
    """What a token account was opened with came back when it was closed."""


RENT = frozenset({EntryClass.RENT_OPENED, EntryClass.RENT_RETURNED})


@dataclass(frozen=True, slots=True)
class Homes:
    """Where what leaves a wallet is home. `receivers` take money, each until it was revoked (None: to this day).

    `rent_payees` are those to whom rent returns besides: money that went to one of them went astray.
    """

    receivers: Mapping[Pubkey, datetime | None] = field(default_factory=dict)
    rent_payees: Set[Pubkey] = frozenset()

    def take(self, address: Pubkey, moment: datetime | None) -> bool:
        """Whether money is home that came to `address` then; None: nobody knows when."""
        if address not in self.receivers:
            return False
        until = self.receivers[address]
        return until is None or (moment is not None and moment <= until + CLOCK_SLACK)


NO_HOMES: Final = Homes()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `amount` is in base units of `asset`, positive where the wallet gained and negative where it lost.

    `account` is where: the wallet's own address or one of its token accounts. Signature, account, asset and class
    name an entry for good. `towards` is who gained most of what left, where somebody did.
    """

    signature: str
    slot: int
    block_time: datetime | None
    account: Pubkey
    asset: Asset
    entry_class: EntryClass
    amount: int
    towards: Pubkey | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """Entries of one wallet, oldest first. `rents` is what each of its open token accounts was opened with, lamports.

    `owned` are all token accounts that were ever the wallet's, or its accounts', by address, with their mint.
    """

    owner: Pubkey
    entries: tuple[Entry, ...]
    rents: Mapping[Pubkey, int] = field(default_factory=dict)
    owned: Mapping[Pubkey, Pubkey] = field(default_factory=dict)

    @property
    def money(self) -> tuple[Entry, ...]:
        """All entries but those of rent."""
        return tuple(one for one in self.entries if one.entry_class not in RENT)

    def total(self, entry_class: EntryClass, asset: Asset) -> int:
        """The sum of one class in one asset, as a positive number; wrapping keeps its sign."""
        amount = sum(
            one.amount for one in self.entries if (one.entry_class, one.asset) == (entry_class, asset)
        )
        return amount if entry_class is EntryClass.WRAPPED else abs(amount)

    def balance(self, asset: Asset) -> int:
        """What all entries leave of an asset, rent aside."""
        return sum(one.amount for one in self.money if one.asset == asset)

    def assets(self) -> tuple[Asset, ...]:
        """All assets that money ever came or went in, in the order of their first entry."""
        return tuple(dict.fromkeys(one.asset for one in self.money))

    def gaps(self, balances: Mapping[Asset, int]) -> dict[Asset, int]:
        """By asset, how much more is there (negative: less) than the entries explain; nothing where all adds up."""
        assets = dict.fromkeys((*balances, *self.assets()))
        found = {asset: balances.get(asset, 0) - self.balance(asset) for asset in assets}
        return {asset: gap for asset, gap in found.items() if gap}


def statement_of(
    owner: Pubkey,
    effects: Sequence[Effect],
    *,
    accounts: Set[Pubkey],
    homes: Homes,
    native_mints: Set[Pubkey],
) -> Statement:
    """The statement of the wallet `owner` from its successful transactions, oldest first.

    `accounts` are the addresses of its token accounts, open or not: lamports sent there before they are opened count.

    Token accounts count as their holder's, and as the wallet's where that is a token account of it. Lamports in an
    account of wrapped SOL beyond what it was opened with are wrapped SOL, whether a SyncNative has counted them yet or
    not.
    """
    reader = _Reader(owner, accounts, homes, native_mints)
    for effect in effects:
        reader.take(effect)
    return Statement(owner, tuple(reader.entries), reader.rents, reader.owned)


@dataclass(slots=True)
class _Reader:
    """Walks through the transactions of one wallet and remembers what its accounts were opened with."""

    owner: Pubkey
    accounts: Set[Pubkey]
    homes: Homes
    native_mints: Set[Pubkey]
    entries: list[Entry] = field(default_factory=list)
    rents: dict[Pubkey, int] = field(default_factory=dict)
    owned: dict[Pubkey, Pubkey] = field(default_factory=dict)

    def take(self, effect: Effect) -> None:
        ours = [one for one in effect.changes if self._is_ours(one)]
        if not ours:
            return
        others = [one for one in effect.changes if not self._is_ours(one)]
        rent = self._take_rents(effect, ours)
        for mint in dict.fromkeys(one.mint for one in ours if one.mint is not None):
            if mint not in self.native_mints:
                held = {one.address: one.tokens_after - one.tokens_before for one in ours if one.mint == mint}
                self._split(effect, mint, held, _token_gains(others, mint))
        self._take_lamports(effect, ours, others, rent)

    def _is_ours(self, change: Change) -> bool:
        """Whether it is the wallet, a token account of it, or one that somebody opened for a token account of it.

        Who has the wallet's key can make its very address a token account of his own: what it holds is his.
        """
        if change.address == self.owner != change.holder:
            return False
        return any(
            address == self.owner or address in self.accounts or address in self.owned
            for address in (change.address, change.holder)
        )

    def _take_rents(self, effect: Effect, ours: Iterable[Change]) -> Counter[Pubkey]:
        """Enter what accounts were opened with and gave back; returns the change of rent by account."""
        changed: Counter[Pubkey] = Counter()
        for one in ours:
            if one.mint is None or one.address == self.owner:
                continue
            is_native = one.mint in self.native_mints
            if one.opened:
                opened_with = (
                    one.lamports_after - one.lamports_before - (one.tokens_after if is_native else 0)
                )
                self._rent(effect, one.address, EntryClass.RENT_OPENED, max(0, opened_with), changed)
            elif one.address not in self.owned:
                # Opened before the history begins: what it has then is taken for its rent.
                self.rents[one.address] = one.lamports_before - (one.tokens_before if is_native else 0)
            self.owned[one.address] = one.mint
            if one.closed and self.rents.get(one.address):
                self._rent(effect, one.address, EntryClass.RENT_RETURNED, -self.rents[one.address], changed)
                del self.rents[one.address]
        return changed

    def _rent(
        self, effect: Effect, account: Pubkey, entry_class: EntryClass, amount: int, changed: Counter[Pubkey]
    ) -> None:
        if amount:
            self.rents[account] = self.rents.get(account, 0) + amount
            changed[account] += amount
            self._enter(effect, account, None, entry_class, amount)

    def _take_lamports(
        self, effect: Effect, ours: Sequence[Change], others: Sequence[Change], rent: Counter[Pubkey]
    ) -> None:
        """Lamports of the wallet and its accounts, without rent; those in accounts of wrapped SOL are its tokens."""
        plain: Counter[Pubkey] = Counter()
        wrapped: dict[Pubkey, Counter[Pubkey]] = {}
        for one in ours:
            amount = one.lamports_after - one.lamports_before - rent[one.address]
            if one.mint in self.native_mints and one.mint is not None:
                wrapped.setdefault(one.mint, Counter())[one.address] += amount
                # What lay at the address while no account was open there was no token.
                self._wrap(effect, one.address, one.mint, one.lamports_before if one.opened else 0)
                self._wrap(effect, one.address, one.mint, -one.lamports_after if one.closed else 0)
            else:
                plain[one.address] += amount
        if effect.fee_payer == self.owner:
            plain[self.owner] += effect.fee
            self._enter(effect, self.owner, None, EntryClass.FEE, -effect.fee)
        gains = _lamport_gains(effect, others)
        self._take_off_rent(gains, max(0, -sum(rent.values())) + _rent_of_closed(others, self.native_mints))
        for mint, held in wrapped.items():
            converted = _converted(sum(held.values()), sum(plain.values()))
            if converted:
                place = max(held, key=lambda account: abs(held[account]))
                self._wrap(effect, place, mint, converted)
                held[place] -= converted
                plain[self.owner] += converted
            self._split(effect, mint, held, gains)
        self._split(effect, None, plain, gains)

    def _take_off_rent(self, gains: Counter[Pubkey], rent: int) -> None:
        """Rent that comes back is no part of what the wallet's money went to, where it is home."""
        to_payees = min(rent, sum(gains[one] for one in self.homes.rent_payees))
        _take_off(gains, self.homes.rent_payees, to_payees)
        _take_off(gains, self.homes.receivers.keys(), rent - to_payees)

    def _wrap(self, effect: Effect, account: Pubkey, mint: Pubkey, amount: int) -> None:
        if amount:
            self._enter(effect, account, mint, EntryClass.WRAPPED, amount)
            self._enter(effect, account, None, EntryClass.WRAPPED, -amount)

    def _split(
        self, effect: Effect, asset: Asset, held: Mapping[Pubkey, int], gains: Counter[Pubkey]
    ) -> None:
        """Enter what came in, or how what left was divided among receivers, strangers and nobody."""
        net = sum(held.values())
        if net > 0:
            left = net
            for account, amount in sorted(held.items(), key=lambda item: -item[1]):
                part = min(left, amount)
                if part > 0:
                    self._enter(effect, account, asset, EntryClass.CAME_IN, part)
                    left -= part
            return
        if net == 0:
            return
        account = min(held, key=lambda one: held[one])
        left = -net
        # Where a transaction paid several, a stranger's gain is taken for this wallet's loss: what cannot be told apart
        # must be looked at by a person, and is never explained away.
        for is_home, entry_class in ((False, EntryClass.ELSEWHERE), (True, EntryClass.WENT_HOME)):
            towards = [
                one for one in gains if self.homes.take(one, effect.block_time) is is_home and gains[one] > 0
            ]
            part = min(left, sum(gains[one] for one in towards))
            if part:
                most = max(towards, key=lambda one: (gains[one], str(one)))
                self._enter(effect, account, asset, entry_class, -part, most)
                _take_off(gains, set(towards), part)
                left -= part
        if left:
            self._enter(effect, account, asset, EntryClass.WITHHELD, -left)

    def _enter(
        self,
        effect: Effect,
        account: Pubkey,
        asset: Asset,
        entry_class: EntryClass,
        amount: int,
        towards: Pubkey | None = None,
    ) -> None:
        entry = Entry(
            effect.signature, effect.slot, effect.block_time, account, asset, entry_class, amount, towards
        )
        self.entries.append(entry)


def _token_gains(others: Iterable[Change], mint: Pubkey) -> Counter[Pubkey]:
    """Who else gained of a mint, by holder, in base units."""
    gains: Counter[Pubkey] = Counter()
    for one in others:
        if one.mint == mint:
            gains[one.holder] += one.tokens_after - one.tokens_before
    return +gains


def _lamport_gains(effect: Effect, others: Iterable[Change]) -> Counter[Pubkey]:
    """Who else gained lamports, by holder and as if there were no fee.

    What opens a receiver's token account is the receiver's.
    """
    gains: Counter[Pubkey] = Counter()
    if any(one.address == effect.fee_payer for one in others):
        gains[effect.fee_payer] = effect.fee
    for one in others:
        gains[one.holder] += one.lamports_after - one.lamports_before
    return +gains


def _rent_of_closed(others: Iterable[Change], native_mints: Set[Pubkey]) -> int:
    """What accounts of other wallets gave back in the same transaction, lamports; wrapped SOL aside."""
    return sum(
        one.lamports_before - (one.tokens_before if one.mint in native_mints else 0)
        for one in others
        if one.closed
    )


def _take_off(gains: Counter[Pubkey], among: Set[Pubkey], amount: int) -> None:
    """Take an amount off the gains of some, from the largest on."""
    for one in sorted(among & gains.keys(), key=lambda each: (-gains[each], str(each))):
        part = min(amount, gains[one])
        gains[one] -= part
        amount -= part


def _converted(wrapped: int, plain: int) -> int:
    """How much became wrapped SOL (negative: became SOL again) within the wallet in one transaction."""
    if wrapped > 0 > plain:
        return min(wrapped, -plain)
    if plain > 0 > wrapped:
        return -min(plain, -wrapped)
    return 0
