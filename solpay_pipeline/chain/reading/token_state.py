"""Reads the bytes of mints and token accounts of both token programs into what the rules work with.

Strangers write these bytes: the only error that they can cause is `UnreadableAccount`. A state that prevents moving or
closing is returned as an obstacle, or as a reason in words.
"""

from dataclasses import dataclass
from typing import Final

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import TOKEN_2022_PROGRAM_ID, TOKEN_PROGRAM_ID, TOKEN_PROGRAMS
from solpay_pipeline.chain.reading.extensions import (
    BASE_LENGTH,
    AccountExtensions,
    MintExtensions,
    UnreadableAccount,
    associated_account_length,
    read_account_extensions,
    read_mint_extensions,
)
from solpay_pipeline.lifecycle.holdings import Mint, Obstacle, TokenHolding
from solpay_pipeline.lifecycle.rent import is_usual

MINT_LENGTH: Final = 82

FROZEN_STATE: Final = 2
"""Of `AccountState`: 0 uninitialized, 1 initialized, 2 frozen."""


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A token account as its bytes say. Amounts are base units, `lamports` its whole balance.

    `native_reserve` is the rent in lamports of a wrapped SOL account, None for other mints.
    """

    address: Pubkey
    program: Pubkey
    mint: Pubkey
    owner: Pubkey
    amount: int
    lamports: int
    frozen: bool
    native_reserve: int | None
    close_authority: Pubkey | None
    extensions: AccountExtensions


def parse_mint(address: Pubkey, account: Account) -> Mint:
    """The mint at `address`. Raises `UnreadableAccount` where there is none.

    Extensions that this program does not know are listed by number and are no obstacle: the simulation before the send
    decides.
    """
    mint, _extensions = parse_extended_mint(address, account)
    return mint


def parse_extended_mint(address: Pubkey, account: Account) -> tuple[Mint, MintExtensions]:
    """`parse_mint` with everything that its extensions say."""
    content = _content(address, account, "mint")
    if len(content) != MINT_LENGTH and (account.owner == TOKEN_PROGRAM_ID or len(content) <= BASE_LENGTH):
        raise UnreadableAccount(address, f"not a mint: {len(content)} bytes")
    if content[45] != 1:
        raise UnreadableAccount(address, "not an initialized mint")
    extensions = read_mint_extensions(address, content)
    obstacles = {
        Obstacle.PAUSED: extensions.paused,
        Obstacle.NON_TRANSFERABLE: extensions.non_transferable,
        Obstacle.TRANSFER_HOOK: extensions.hook_program is not None,
    }
    mint = Mint(
        address=address,
        program=account.owner,
        decimals=content[44],
        obstacles=frozenset(obstacle for obstacle, stands in obstacles.items() if stands),
        has_transfer_fee=extensions.has_transfer_fee,
        extensions=extensions.names,
        others_can_take=extensions.permanent_delegate is not None,
        account_bytes=associated_account_length(
            extensions, token_2022=account.owner == TOKEN_2022_PROGRAM_ID
        ),
        shown=extensions.shown,
    )
    return mint, extensions


def parse_account(address: Pubkey, account: Account) -> TokenAccount:
    """The token account at `address`, of any owner. Raises `UnreadableAccount` where there is none."""
    content = _content(address, account, "token account")
    # A longer one of the classic program is a multisig; one of Token-2022 must have an account type byte.
    if len(content) < BASE_LENGTH or (account.owner == TOKEN_PROGRAM_ID and len(content) != BASE_LENGTH):
        raise UnreadableAccount(address, f"not a token account: {len(content)} bytes")
    state = content[108]
    if state not in (1, FROZEN_STATE):
        raise UnreadableAccount(address, f"not an initialized token account (state {state})")
    reserve = _optional(address, content[109:121])
    close_authority = _optional(address, content[129:165])
    return TokenAccount(
        address=address,
        program=account.owner,
        mint=Pubkey.from_bytes(content[0:32]),
        owner=Pubkey.from_bytes(content[32:64]),
        amount=int.from_bytes(content[64:72], "little"),
        lamports=account.lamports,
        frozen=state == FROZEN_STATE,
        native_reserve=None if reserve is None else int.from_bytes(reserve, "little"),
        close_authority=None if close_authority is None else Pubkey.from_bytes(close_authority),
        extensions=read_account_extensions(address, content),
    )


def parse_token_account(address: Pubkey, account: Account, *, owner: Pubkey, mint: Mint) -> TokenHolding:
    """The token account at `address` as a holding of the wallet `owner`, with its obstacles.

    The mint's obstacles are among them. The amount of wrapped SOL is what SyncNative would make it, since
    `instructions.lower` syncs before it moves. Raises `UnreadableAccount`, also for an account of another mint.
    """
    state = parse_account(address, account)
    if state.mint != mint.address or state.program != mint.program:
        raise UnreadableAccount(address, f"holds {state.mint} of {state.program}, not {mint.address}")
    obstacles = {
        Obstacle.FROZEN: state.frozen,
        Obstacle.FOREIGN_OWNER: state.owner != owner,
        Obstacle.CONFIDENTIAL: state.extensions.holds_confidential,
    }
    return TokenHolding(
        account=address,
        mint=mint,
        amount=_amount(state),
        lamports=state.lamports,
        withheld=state.extensions.withheld,
        is_native=state.native_reserve is not None,
        obstacles=mint.obstacles | {obstacle for obstacle, stands in obstacles.items() if stands},
        cannot_close=_cannot_close(state, owner),
        funds=_funds(state, len(account.data)),
    )


def _funds(state: TokenAccount, size: int) -> int | None:
    """Lamports beyond what the account was opened with; of wrapped SOL they are tokens."""
    return 0 if state.native_reserve is not None or is_usual(state.lamports, size) else None


def _amount(state: TokenAccount) -> int:
    if state.native_reserve is None:
        return state.amount
    return max(state.amount, state.lamports - state.native_reserve)


def _cannot_close(state: TokenAccount, wallet: Pubkey) -> str | None:
    if state.close_authority is not None and state.close_authority != wallet:
        return f"only its close authority {state.close_authority} may close it"
    if state.close_authority is None and state.owner != wallet:
        return f"it belongs to {state.owner}"
    if state.extensions.holds_confidential:
        return "it holds a confidential balance"
    if state.extensions.holds_confidential_fee:
        return "it holds confidential transfer fees"
    return None


def _content(address: Pubkey, account: Account, what: str) -> bytes:
    if account.owner not in TOKEN_PROGRAMS:
        raise UnreadableAccount(address, f"not a {what}: owned by {account.owner}")
    content = bytes(account.data)
    if account.owner == TOKEN_2022_PROGRAM_ID and MINT_LENGTH < len(content) < BASE_LENGTH:
        raise UnreadableAccount(address, f"not a {what}: {len(content)} bytes")
    return content


def _optional(address: Pubkey, field: bytes) -> bytes | None:
    """A `COption` of the token programs: a tag of 0 or 1 (u32 LE), then the value."""
    tag = int.from_bytes(field[:4], "little")
    if tag > 1:
        raise UnreadableAccount(address, f"an optional field has the tag {tag}")
    return field[4:] if tag else None
