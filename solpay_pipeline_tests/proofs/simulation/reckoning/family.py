"""Whose an address is: wallets, their token accounts as the record shows them, and where accounts of theirs would be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.history import TokenBalance, TransactionRecord
from solpay_pipeline.localnet.chain.token_layout import ata_address


@dataclass(frozen=True, slots=True)
class Touched:
    """One account in one transaction: lamports, and what it was as a token account (None where it was none)."""

    address: Pubkey
    lamports_before: int
    lamports_after: int
    tokens_before: TokenBalance | None
    tokens_after: TokenBalance | None


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A token account of a wallet. `rent` is what it was opened with, in lamports: whoever's, not the wallet's money."""

    wallet: Pubkey
    mint: Pubkey
    rent: int


def touched_by(record: TransactionRecord) -> list[Touched]:
    """All accounts of a transaction."""
    executed = record.executed
    before = {one.account_index: one for one in executed.pre_token_balances}
    after = {one.account_index: one for one in executed.post_token_balances}
    return [
        Touched(
            address,
            executed.pre_balances[place],
            executed.post_balances[place],
            before.get(place),
            after.get(place),
        )
        for place, address in enumerate(record.decoded.keys)
    ]


def addresses_of(wallets: Iterable[Pubkey], programs: Mapping[Pubkey, Pubkey]) -> dict[Pubkey, Pubkey]:
    """Associated addresses of wallets, whether an account is open there or not, by address: whose it is.

    `programs` are the token programs by mint.
    """
    return {
        ata_address(wallet, mint, program): wallet for wallet in wallets for mint, program in programs.items()
    }
