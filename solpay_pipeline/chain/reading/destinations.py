"""Reads whether the receiver's accounts can take what wallets are about to send.

One look for all mints of a run. A destination that cannot take its token comes back with the obstacle in
words, so that the wallets of that mint are set aside and the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.accounts import NO_ACCOUNT, is_bare
from solpay_pipeline.chain.reading.addresses import (
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAMS,
    associated_token_address,
)
from solpay_pipeline.chain.reading.extensions import BASE_LENGTH, UnreadableAccount, associated_account_length
from solpay_pipeline.chain.reading.token_state import parse_account, parse_extended_mint
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.terms import Commitment


@dataclass(frozen=True, slots=True)
class Destination:
    """The receiver's ATA of one mint.

    `size` is the account's length in bytes, the real one or that of the account to be created, for the rent
    that `Rpc.minimum_balance` tells. `obstacle` is None where tokens can be sent to it, after its creation
    if it doesn't exist.
    """

    ata: Pubkey
    exists: bool
    memo_required: bool = False
    obstacle: str | None = None
    size: int = BASE_LENGTH


async def read_destinations(
    rpc: Rpc, receiver: Pubkey, mints: Iterable[Mint], *, commitment: Commitment
) -> dict[Pubkey, Destination]:
    """The receiver's ATAs by mint address; the mints are read anew, since their state decides for a missing
    ATA.
    """
    wanted = list({mint.address: mint for mint in mints}.values())
    if not wanted:
        return {}
    atas = [associated_token_address(receiver, mint.address, mint.program) for mint in wanted]
    answer = await rpc.accounts([*atas, *(mint.address for mint in wanted)], commitment=commitment)
    accounts, mint_accounts = answer.accounts[: len(wanted)], answer.accounts[len(wanted) :]
    return {
        mint.address: _missing(mint, ata, mint_account)
        if account is None or is_bare(account)
        else _existing(mint, ata, account, receiver)
        for mint, ata, account, mint_account in zip(wanted, atas, accounts, mint_accounts, strict=True)
    }


async def receiver_fault(rpc: Rpc, receiver: Pubkey, *, commitment: Commitment) -> str | None:
    """Why `receiver` cannot be a merchant's wallet, None if it can: it is a token account, a mint, or a
    program.

    What is sent to the ATA of a token account is recovered with trouble, to that of a mint or a program
    never. A vault that a program owns is fine, and so is an address that has never been used.
    """
    (account,) = (await rpc.accounts([receiver], commitment=commitment)).accounts
    if account is None:
        return None
    if account.executable:
        return "it is a program"
    if account.owner in TOKEN_PROGRAMS:
        return "it is a token account or a mint, not a wallet"
    return None


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
