"""Reads what wallets hold: lamports, token accounts and mints, a hundred accounts a call.

All wallets' accounts are read in one list, so that the number of calls depends on accounts, not on wallets. An account
that exists and cannot be understood, or that no endpoint answers about, is named in `Holdings.unreadable` and never
taken for an empty one. RPC errors are passed on: without an answer there is no holding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import (
    SYSTEM_PROGRAM_ID,
    TOKEN_PROGRAMS,
    associated_token_address,
)
from solpay_pipeline.chain.reading.extensions import UnreadableAccount
from solpay_pipeline.chain.reading.token_state import parse_account, parse_mint, parse_token_account
from solpay_pipeline.chain.rpc.answers import Untold
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, Obstacle, TokenHolding, UnreadableMint
from solpay_pipeline.lifecycle.terms import Commitment

NO_ACCOUNT = "there is no account at this address"

_NOT_READ = UnreadableMint("it was not read")
_FEES_WITHOUT_MINT = "it keeps transfer fees, which only its mint could take back"


async def read_mints(
    rpc: Rpc, mints: Iterable[Pubkey], *, commitment: Commitment, min_context_slot: int | None = None
) -> dict[Pubkey, Mint | UnreadableMint]:
    """The mints by address, and why where one cannot be used."""
    addresses = list(dict.fromkeys(mints))
    if not addresses:
        return {}
    answer = await rpc.accounts(addresses, commitment=commitment, min_context_slot=min_context_slot)
    return {
        address: _mint_at(address, account)
        for address, account in zip(addresses, answer.accounts, strict=True)
    }


def usable_mints(accounts: Iterable[tuple[Pubkey, Account | Untold | None]]) -> dict[Pubkey, Mint]:
    """The usable mints among some accounts, each given with its address."""
    read = (_mint_at(address, account) for address, account in accounts)
    return {mint.address: mint for mint in read if isinstance(mint, Mint)}


async def read_holdings(
    rpc: Rpc,
    wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
    mints: Mapping[Pubkey, Mint | UnreadableMint],
    *,
    commitment: Commitment,
    min_context_slot: int | None = None,
) -> list[Holdings]:
    """What each wallet holds, in the order of `wallets`: pairs of owner and the mints it is expected to hold.

    `mints` comes from `read_mints`. Of a mint that is unreadable there, or missing, the accounts are looked for under
    both token programs: an empty one can be closed without its mint, one with units is `unreadable`. All holdings carry
    the answers' lowest slot: what they show was true at that slot or later.
    """
    keys = _keys(wallets, mints)
    found, slot = await _read(rpc, keys, commitment=commitment, min_context_slot=min_context_slot)
    return [_holdings(owner, wanted, mints, found, slot) for owner, wanted in wallets]


async def read_holdings_and_mints(
    rpc: Rpc,
    wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
    known: Mapping[Pubkey, Mint],
    *,
    commitment: Commitment,
    min_context_slot: int | None = None,
) -> tuple[list[Holdings], dict[Pubkey, Mint | UnreadableMint]]:
    """As `read_holdings` and `read_mints`, in the same calls where all mints are `known` from an earlier read.

    Only the program of a known mint is used, since it is part of the accounts' addresses. Where a mint's program has
    changed, or it is gone, everything is read again.
    """
    wanted = list(dict.fromkeys(mint for _, expected in wallets for mint in expected))
    if all(mint in known for mint in wanted):
        keys = [*wanted, *_keys(wallets, known)]
        found, slot = await _read(rpc, keys, commitment=commitment, min_context_slot=min_context_slot)
        mints = {mint: _mint_at(mint, found[mint]) for mint in wanted}
        if all(_is_as_known(mint, known) for mint in mints.values()):
            return [_holdings(owner, expected, mints, found, slot) for owner, expected in wallets], mints
    mints = await read_mints(rpc, wanted, commitment=commitment, min_context_slot=min_context_slot)
    holdings = await read_holdings(
        rpc, wallets, mints, commitment=commitment, min_context_slot=min_context_slot
    )
    return holdings, mints


async def discover(
    rpc: Rpc,
    holdings: Holdings,
    mints: Mapping[Pubkey, Mint | UnreadableMint],
    *,
    commitment: Commitment,
) -> Holdings:
    """`holdings` and all other token accounts of the wallet: those of unexpected mints, or not at an ATA.

    Costs two calls a wallet (getTokenAccountsByOwner for each token program), and reads the mints that `mints` lacks. A
    node without that index refuses (-32010), which is raised.
    """
    seen = {token.account for token in holdings.tokens}
    strays: dict[Pubkey, Account] = {}
    for program in TOKEN_PROGRAMS:
        owned = await rpc.token_accounts_by_owner(holdings.owner, program, commitment)
        strays.update((address, account) for address, account in owned if address not in seen)
    unreadable = dict(holdings.unreadable)
    mint_of: dict[Pubkey, Pubkey] = {}
    for address, account in strays.items():
        try:
            mint_of[address] = parse_account(address, account).mint
        except UnreadableAccount as error:
            # No mint is known to name it by: its own address does.
            unreadable[address] = error.reason
    missing = [mint for mint in mint_of.values() if mint not in mints]
    known = {**mints, **await read_mints(rpc, missing, commitment=commitment)}
    tokens = list(holdings.tokens)
    for address, mint_address in mint_of.items():
        holding = holding_or_reason(address, strays[address], holdings.owner, known[mint_address])
        if isinstance(holding, TokenHolding):
            tokens.append(holding)
        else:
            unreadable[mint_address] = holding
    absent = tuple(address for address in holdings.absent if address not in strays)
    return replace(holdings, tokens=tuple(tokens), unreadable=unreadable, absent=absent)


async def _read(
    rpc: Rpc, keys: Sequence[Pubkey], *, commitment: Commitment, min_context_slot: int | None
) -> tuple[dict[Pubkey, Account | Untold | None], int]:
    """The accounts by address, each asked for once, and the lowest slot of the answers."""
    unique = list(dict.fromkeys(keys))
    answer = await rpc.accounts(unique, commitment=commitment, min_context_slot=min_context_slot)
    return dict(zip(unique, answer.accounts, strict=True)), answer.slot


def _keys(
    wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]], mints: Mapping[Pubkey, Mint | UnreadableMint]
) -> list[Pubkey]:
    """Each owner, and the addresses of its accounts."""
    return [key for owner, wanted in wallets for key in (owner, *_addresses(owner, wanted, mints))]


def _addresses(
    owner: Pubkey, wanted: Iterable[Pubkey], mints: Mapping[Pubkey, Mint | UnreadableMint]
) -> dict[Pubkey, Pubkey]:
    """The addresses of a wallet's accounts of some mints, with the mint; of an unreadable one under both programs."""
    found = {}
    for address in dict.fromkeys(wanted):
        mint = mints.get(address)
        programs = (mint.program,) if isinstance(mint, Mint) else TOKEN_PROGRAMS
        found.update({associated_token_address(owner, address, program): address for program in programs})
    return found


def _is_as_known(mint: Mint | UnreadableMint, known: Mapping[Pubkey, Mint]) -> bool:
    return isinstance(mint, Mint) and mint.program == known[mint.address].program


def _mint_at(address: Pubkey, account: Account | Untold | None) -> Mint | UnreadableMint:
    if account is None:
        return UnreadableMint(NO_ACCOUNT)
    if isinstance(account, Untold):
        return UnreadableMint(account.why)
    try:
        return parse_mint(address, account)
    except UnreadableAccount as error:
        return UnreadableMint(error.reason)


def holding_or_reason(
    address: Pubkey, account: Account, owner: Pubkey, mint: Mint | UnreadableMint
) -> TokenHolding | str:
    """The token account of `owner` at `address`, or why nobody can say what it holds.

    An empty one needs no mint: closing does not ask for it.
    """
    try:
        if isinstance(mint, Mint):
            return parse_token_account(address, account, owner=owner, mint=mint)
        holding = holding_without_mint(address, account, owner)
    except UnreadableAccount as error:
        return error.reason
    return f"{mint.reason}, and {holding.amount} base units lie at {address}" if holding.amount else holding


def holding_without_mint(address: Pubkey, account: Account, owner: Pubkey) -> TokenHolding:
    """The token account of `owner` at `address`, of a mint that cannot be read. Raises `UnreadableAccount`."""
    state = parse_account(address, account)
    stand_in = Mint(state.mint, state.program, 0, frozenset({Obstacle.UNREADABLE}))
    holding = parse_token_account(address, account, owner=owner, mint=stand_in)
    return replace(holding, cannot_close=_FEES_WITHOUT_MINT) if holding.withheld else holding


def _holdings(
    owner: Pubkey,
    wanted: Iterable[Pubkey],
    mints: Mapping[Pubkey, Mint | UnreadableMint],
    found: Mapping[Pubkey, Account | Untold | None],
    slot: int,
) -> Holdings:
    tokens: list[TokenHolding] = []
    absent: list[Pubkey] = []
    bare: dict[Pubkey, int] = {}
    unreadable: dict[Pubkey, str] = {}
    for address, mint_address in _addresses(owner, wanted, mints).items():
        account = found[address]
        if isinstance(account, Untold):
            unreadable[mint_address] = account.why
            continue
        if account is None or is_bare(account):
            absent.append(address)
            if account is not None and account.lamports:
                bare[address] = account.lamports
            continue
        holding = holding_or_reason(address, account, owner, mints.get(mint_address, _NOT_READ))
        if isinstance(holding, TokenHolding):
            tokens.append(holding)
        else:
            unreadable[mint_address] = holding
    system = found[owner]
    if isinstance(system, Untold):
        # No mint names it: its own address does.
        unreadable[owner] = system.why
        system = None
    return Holdings(
        owner=owner,
        slot=slot,
        lamports=0 if system is None else system.lamports,
        tokens=tuple(tokens),
        absent=tuple(absent),
        unreadable=unreadable,
        cannot_move_lamports=None if system is None else _cannot_move_lamports(system),
        bare=bare,
    )


def is_bare(account: Account) -> bool:
    """Lamports alone, sent to an address before any account was made there."""
    return account.owner == SYSTEM_PROGRAM_ID and not account.data


def _cannot_move_lamports(system: Account) -> str | None:
    if system.owner != SYSTEM_PROGRAM_ID:
        return f"the account belongs to the program {system.owner}"
    if system.data:
        # The System program refuses a transfer from such an account, a nonce for instance.
        return "the account carries data"
    return None
