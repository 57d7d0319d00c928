"""Reads whether the receiver's accounts can take what wallets will send.

All mints of a run are read at once. A destination that cannot take its token is returned with the obstacle in words:
the wallets of that mint are set aside and the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.accounts import NO_ACCOUNT, is_bare
from solpay_pipeline.chain.reading.addresses import (
    TOKEN_2022_PROGRAM_ID,
    associated_token_address,
)
from solpay_pipeline.chain.reading.extensions import BASE_LENGTH, UnreadableAccount, associated_account_length
from solpay_pipeline.chain.reading.token_state import parse_account, parse_extended_mint
from solpay_pipeline.chain.rpc.answers import Untold
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.terms import Commitment


@dataclass(frozen=True, slots=True)
class Destination:
    """The receiver's ATA of one mint.

    `size` is the length in bytes of the account, or of the one to be created; `Rpc.minimum_balance` gives its rent.
    `obstacle` is None where tokens can be sent to it, after its creation if it does not exist.
    """

    ata: Pubkey
    exists: bool
    memo_required: bool = False
    obstacle: str | None = None
    size: int = BASE_LENGTH


async def read_destinations(
    rpc: Rpc, receiver: Pubkey, mints: Iterable[Mint], *, commitment: Commitment
) -> dict[Pubkey, Destination]:
    """The receiver's ATAs by mint address. The mints are read again: their state decides about a missing ATA."""
    wanted = list({mint.address: mint for mint in mints}.values())
    if not wanted:
        return {}
    atas = [associated_token_address(receiver, mint.address, mint.program) for mint in wanted]
    answer = await rpc.accounts([*atas, *(mint.address for mint in wanted)], commitment=commitment)
    accounts, mint_accounts = answer.accounts[: len(wanted)], answer.accounts[len(wanted) :]
    return {
        mint.address: _destination(mint, ata, account, mint_account, receiver)
        for mint, ata, account, mint_account in zip(wanted, atas, accounts, mint_accounts, strict=True)
    }


def _destination(
    mint: Mint,
    ata: Pubkey,
    account: Account | Untold | None,
    mint_account: Account | Untold | None,
    receiver: Pubkey,
) -> Destination:
    if isinstance(account, Untold):
        return Destination(ata, exists=False, obstacle=account.why)
    if account is not None and not is_bare(account):
        return _existing(mint, ata, account, receiver)
    if isinstance(mint_account, Untold):
        return Destination(ata, exists=False, obstacle=f"of its mint: {mint_account.why}")
    return _missing(mint, ata, mint_account)


def _existing(mint: Mint, ata: Pubkey, account: Account, receiver: Pubkey) -> Destination:
    size = len(account.data)
    try:
        state = parse_account(ata, account)
    except UnreadableAccount as error:
        return Destination(ata, exists=True, obstacle=error.reason, size=size)
    if state.mint != mint.address or state.owner != receiver:
        obstacle = f"it belongs to {state.owner}, not to the receiver"
    elif state.frozen:
        obstacle = "it is frozen"
    elif state.extensions.refuses_plain_credits:
        obstacle = "it takes confidential transfers only"
    else:
        obstacle = None
    return Destination(
        ata, exists=True, memo_required=state.extensions.memo_required, obstacle=obstacle, size=size
    )


def _missing(mint: Mint, ata: Pubkey, account: Account | None) -> Destination:
    if account is None:
        return Destination(ata, exists=False, obstacle=f"of its mint: {NO_ACCOUNT}")
    try:
        _mint, extensions = parse_extended_mint(mint.address, account)
    except UnreadableAccount as error:
        return Destination(ata, exists=False, obstacle=f"of its mint: {error.reason}")
    return Destination(
        ata,
        exists=False,
        obstacle="it does not exist, and new accounts of this mint are frozen"
        if extensions.default_frozen
        else None,
        size=associated_account_length(extensions, token_2022=mint.program == TOKEN_2022_PROGRAM_ID),
    )
