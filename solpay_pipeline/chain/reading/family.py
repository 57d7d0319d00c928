"""Reads accounts of a wallet's family that no offer names: its own at any address, and those of its token accounts.

A token account that belongs to a token account of the wallet is nested: somebody took the address of the one for that
of a wallet. Such an account is at an address that can be derived, or a history names it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.accounts import (
    holding_or_reason,
    holding_without_mint,
    is_bare,
    read_mints,
)
from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.chain.reading.extensions import UnreadableAccount
from solpay_pipeline.chain.reading.token_state import TokenAccount, parse_account, parse_token_account
from solpay_pipeline.chain.rpc.answers import Untold, told
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.holdings import (
    Holdings,
    Mint,
    NestedHolding,
    TokenHolding,
    UnreadableMint,
)
from solpay_pipeline.lifecycle.terms import Commitment

Mints = Mapping[Pubkey, Mint | UnreadableMint]

_TOO_DEEP = (
    "no instruction reaches an account that does not belong to one of the wallet's associated token accounts"
)
_MIXED = "RecoverNested works within one token program, and the two accounts are of different ones"
_NO_ATA = "RecoverNested reaches associated token accounts only, and this is none"


async def find_nested(
    rpc: Rpc,
    wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
    mints: Mints,
    *,
    commitment: Commitment,
) -> list[frozenset[Pubkey]]:
    """The addresses at which something is nested, in the order of `wallets`: pairs of owner and mints.

    Looks at the ATA of each of these mints of each wallet's ATA of each of them: a hundred addresses a call.
    """
    derived = [_nested_addresses(owner, wanted, mints) for owner, wanted in wallets]
    every = list(dict.fromkeys(address for addresses in derived for address in addresses))
    if not every:
        return [frozenset() for _ in wallets]
    answer = await rpc.accounts(every, commitment=commitment)
    there = {
        address
        for address, account in zip(every, answer.accounts, strict=True)
        if isinstance(account, Untold) or (account is not None and account.lamports)
    }
    return [frozenset(addresses) & there for addresses in derived]


async def look_at(
    rpc: Rpc,
    holdings: Holdings,
    addresses: Collection[Pubkey],
    mints: Mints,
    *,
    commitment: Commitment,
    owned: Mapping[Pubkey, Pubkey],
) -> Holdings:
    """`holdings` and what is at more `addresses` of the wallet's family.

    `owned` are token accounts that were ever the wallet's, by address, with their mint: those that are closed tell
    it no more. What is at an address and belongs to nobody of the family is left out. Raises `Unanswered` where no
    endpoint answers about one of them.
    """
    known = {one.account for one in holdings.accounts}
    wanted = [address for address in dict.fromkeys(addresses) if address not in known]
    if not wanted:
        return holdings
    answer = await rpc.accounts(wanted, commitment=commitment)
    found = dict(zip(wanted, map(told, answer.accounts), strict=True))
    family = _Family(holdings, found, {**_derived(holdings.owner, mints), **owned})
    missing = [mint for mint in family.mints() if mint not in mints]
    every = {**mints, **await read_mints(rpc, missing, commitment=commitment)}
    nested = family.nested(every)
    through = {address for one in nested for address in one.accounts}
    unread = [address for address in through if address not in found and address not in known]
    more = await rpc.accounts(unread, commitment=commitment) if unread else None
    opened = {address for address in through if address in known or _is_open(found.get(address))}
    if more is not None:
        opened |= {
            address for address, account in zip(unread, more.accounts, strict=True) if _is_open(told(account))
        }
    return family.seen(
        every, [replace(one, opened=frozenset(opened) & frozenset(one.accounts)) for one in nested]
    )


@dataclass(frozen=True, slots=True)
class _Family:
    """`found` is what was read of a wallet; `owned` are accounts that are or were its own, with their mints."""

    holdings: Holdings
    found: Mapping[Pubkey, Account | None]
    owned: Mapping[Pubkey, Pubkey]

    def states(self) -> dict[Pubkey, TokenAccount]:
        """The token accounts among what was found."""
        states = {}
        for address, account in self.found.items():
            if account is None or not _is_open(account):
                continue
            try:
                states[address] = parse_account(address, account)
            except UnreadableAccount:
                continue
        return states

    def mints(self) -> list[Pubkey]:
        """All that may be needed to understand what was found."""
        named = [one.mint for one in self.states().values()]
        return list(dict.fromkeys([*named, *self.owned.values()]))

    def own(self) -> dict[Pubkey, Pubkey]:
        """The wallet's own token accounts, open and closed, with their mints."""
        states = self.states()
        open_ones = {one.account: one.mint.address for one in self.holdings.tokens}
        found = {at: one.mint for at, one in states.items() if one.owner == self.holdings.owner}
        # One that was handed over to somebody is no way to anything any more.
        strange = {at for at, one in states.items() if one.owner != self.holdings.owner}
        closed = {at: mint for at, mint in self.owned.items() if at not in strange}
        return {**closed, **open_ones, **found}

    def nested(self, mints: Mints) -> list[NestedHolding]:
        """What belongs to the wallet's token accounts, or to what belongs to them."""
        own, states = self.own(), self.states()
        nested = [
            self._nested(self._held(address, state, mints), state.owner, own, mints)
            for address, state in states.items()
            if self._is_within(state.owner, own, states)
        ]
        return nested + self._bare(own, mints)

    def _held(self, address: Pubkey, state: TokenAccount, mints: Mints) -> TokenHolding:
        """What a nested account holds; what is of an unreadable mint keeps the account open that it belongs to."""
        mint, account = mints[state.mint], self._account(address)
        if isinstance(mint, Mint) and state.program == mint.program:
            return parse_token_account(address, account, owner=state.owner, mint=mint)
        return holding_without_mint(address, account, state.owner)

    def _account(self, address: Pubkey) -> Account:
        account = self.found[address]
        if account is None:
            raise ValueError(f"nothing was found at {address}")
        return account

    def _is_within(
        self, holder: Pubkey, own: Mapping[Pubkey, Pubkey], states: Mapping[Pubkey, TokenAccount]
    ) -> bool:
        known = own.keys() | {one.token.account for one in self.holdings.nested}
        seen: set[Pubkey] = set()
        while holder not in known and holder in states and holder not in seen:
            seen.add(holder)
            holder = states[holder].owner
        # One that is closed was looked at because it was of the family.
        return holder in known or (holder in self.found and holder not in states)

    def _bare(self, own: Mapping[Pubkey, Pubkey], mints: Mints) -> list[NestedHolding]:
        """Lamports at the address of a nested account that is not open."""
        bare = {at: one.lamports for at, one in self.found.items() if one is not None and is_bare(one)}
        usable = [mint for mint in mints.values() if isinstance(mint, Mint)] if bare else []
        places = {
            associated_token_address(outer, mint.address, mint.program): (outer, mint)
            for outer, mint in product(own, usable)
        }
        return [
            self._nested(
                TokenHolding(address, places[address][1], 0, lamports, funds=lamports),
                places[address][0],
                own,
                mints,
            )
            for address, lamports in bare.items()
            if lamports and address in places
        ]

    def _nested(
        self, token: TokenHolding, outer: Pubkey, own: Mapping[Pubkey, Pubkey], mints: Mints
    ) -> NestedHolding:
        owner, mint = self.holdings.owner, token.mint
        outer_mint = mints.get(own[outer]) if outer in own else None
        return NestedHolding(
            token,
            outer,
            outer_mint if isinstance(outer_mint, Mint) else None,
            associated_token_address(owner, mint.address, mint.program),
            frozenset(),
            _out_of_reach(token, owner, outer, own),
        )

    def seen(self, mints: Mints, nested: Sequence[NestedHolding]) -> Holdings:
        """The holdings with what was found."""
        tokens = list(self.holdings.tokens)
        unreadable = dict(self.holdings.unreadable)
        for address, state in self.states().items():
            if state.owner == self.holdings.owner:
                holding = holding_or_reason(address, self._account(address), state.owner, mints[state.mint])
                if isinstance(holding, TokenHolding):
                    tokens.append(holding)
                else:
                    unreadable[state.mint] = holding
        absent = tuple(one for one in self.holdings.absent if one not in {each.account for each in tokens})
        return replace(
            self.holdings,
            tokens=tuple(tokens),
            unreadable=unreadable,
            absent=absent,
            nested=(*self.holdings.nested, *nested),
        )


def _out_of_reach(
    token: TokenHolding, owner: Pubkey, outer: Pubkey, own: Mapping[Pubkey, Pubkey]
) -> str | None:
    """Why RecoverNested does not reach an account."""
    mint = token.mint
    if outer not in own:
        return _TOO_DEEP
    as_outer = [
        program for program in TOKEN_PROGRAMS if outer == associated_token_address(owner, own[outer], program)
    ]
    if not as_outer:
        return _TOO_DEEP
    if token.account != associated_token_address(outer, mint.address, mint.program):
        return _NO_ATA
    return None if as_outer == [mint.program] else _MIXED


def _derived(owner: Pubkey, mints: Mints) -> dict[Pubkey, Pubkey]:
    """The wallet's ATAs of some mints, with their mints; of one that is unreadable, under both programs."""
    return {
        associated_token_address(owner, address, program): address
        for address, mint in mints.items()
        for program in ((mint.program,) if isinstance(mint, Mint) else TOKEN_PROGRAMS)
    }


def _nested_addresses(owner: Pubkey, wanted: Sequence[Pubkey], mints: Mints) -> list[Pubkey]:
    usable = [mint for mint in map(mints.get, dict.fromkeys(wanted)) if isinstance(mint, Mint)]
    outers = [associated_token_address(owner, mint.address, mint.program) for mint in usable]
    return [
        associated_token_address(outer, mint.address, mint.program) for outer, mint in product(outers, usable)
    ]


def _is_open(account: Account | None) -> bool:
    return account is not None and account.owner in TOKEN_PROGRAMS
