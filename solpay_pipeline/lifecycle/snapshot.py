"""One wallet at one moment: its row, and what the chain showed of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.lifecycle.holdings import Holdings, Mint, TokenHolding, UnreadableMint
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
    def unasked(self) -> tuple[TokenHolding, ...]:
        """What it holds of tokens that no offer names."""
        named = self.payment.mints
        return tuple(one for one in self.holdings.accounts if one.amount and one.mint.address not in named)

    def is_empty_but_for(self, mints: Collection[Pubkey]) -> bool:
        """Whether it holds nothing but tokens of these mints, and what cannot be read of mints that no offer names."""
        holdings = self.holdings
        is_bare = holdings.lamports == 0 and not holdings.bare
        is_readable = not any(mint in self.payment.mints for mint in holdings.unreadable)
        rest = all(one.is_empty or one.mint.address in mints for one in holdings.accounts)
        return is_bare and is_readable and rest

    @property
    def decimals(self) -> dict[Pubkey, int]:
        """Decimals of the mints: as they are, or of one that cannot be read any more as they were."""
        options = [option for offer in self.payment.offers for option in offer.options]
        seen = {
            one.mint: one.seen_decimals
            for one in options
            if one.mint is not None and one.seen_decimals is not None
        }
        return seen | {
            address: mint.decimals for address, mint in self.mints.items() if isinstance(mint, Mint)
        }
