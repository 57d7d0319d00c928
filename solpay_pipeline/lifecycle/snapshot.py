"""One wallet at one moment: its row, and what the chain showed of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.holdings import Holdings, Mint, UnreadableMint
from solpay_pipeline.lifecycle.terms import Commitment, Payment, Wallet


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A wallet with its payment as read from the database, and what the chain showed of it."""

    wallet: Wallet
    payment: Payment
    holdings: Holdings
    mints: Mapping[Pubkey, Mint | UnreadableMint]
    commitment: Commitment

    @property
    def decimals(self) -> dict[Pubkey, int]:
        """Decimals of the mints that could be read."""
        return {address: mint.decimals for address, mint in self.mints.items() if isinstance(mint, Mint)}
