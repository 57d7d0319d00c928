"""What operations ask of the chain to see what there is. What leaves for the chain goes by the RPC client itself."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.crossing import Crossing
from solpay_pipeline.chain.reading.destinations import Destination
from solpay_pipeline.chain.reading.history import History
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.evidence.statement import Homes
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, UnreadableMint
from solpay_pipeline.lifecycle.terms import Commitment

Owned = tuple[Pubkey, Sequence[Pubkey]]
"""An owner and the mints that it is expected to hold."""


class Chain(Protocol):
    """Answers are no older than `min_context_slot`, where that is given. Each call raises the errors of the RPC."""

    async def mints(
        self, addresses: Iterable[Pubkey], *, commitment: Commitment
    ) -> dict[Pubkey, Mint | UnreadableMint]:
        """The mints by address; a text says why one cannot be used."""

    async def holdings(
        self,
        wallets: Sequence[Owned],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
    ) -> list[Holdings]:
        """What each wallet holds, in this order; `mints` comes from the method of that name."""

    async def holdings_and_mints(
        self,
        wallets: Sequence[Owned],
        known: Mapping[Pubkey, Mint],
        *,
        commitment: Commitment,
        min_context_slot: int,
    ) -> tuple[list[Holdings], dict[Pubkey, Mint | UnreadableMint]]:
        """Both, in fewer calls where all mints are `known` from before."""

    async def discover(
        self, holdings: Holdings, mints: Mapping[Pubkey, Mint | UnreadableMint], *, commitment: Commitment
    ) -> Holdings:
        """`holdings` with every other token account that the wallet owns."""

    async def nested(
        self,
        wallets: Sequence[Owned],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
    ) -> list[frozenset[Pubkey]]:
        """The addresses of each wallet at which an account of one of its accounts would be and something lies."""

    async def look_at(
        self,
        holdings: Holdings,
        addresses: Collection[Pubkey],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
        owned: Mapping[Pubkey, Pubkey],
    ) -> Holdings:
        """`holdings` with what is at more addresses; `owned` are accounts that were the wallet's, with their mints."""

    async def history(
        self,
        owner: Pubkey,
        token_accounts: Sequence[Pubkey],
        *,
        commitment: Commitment,
        homes: Homes,
        without: Set[Pubkey] = frozenset(),
        min_context_slot: int,
        begins_before: int | None = None,
        final: dict[str, Effect],
        must_stop: Callable[[], bool],
    ) -> History:
        """All that ever came to a wallet and left it; `final` grows. Raises `history.UNTOLD` too."""

    async def newest_history(
        self,
        owner: Pubkey,
        address: Pubkey,
        *,
        mint: Pubkey | None,
        balance: int,
        made_at: datetime,
        was_opened: bool,
        commitment: Commitment,
        homes: Homes,
        min_context_slot: int,
    ) -> History | None:
        """The newest entries of an address, where they explain its balance; else None. Raises `history.UNTOLD` too."""

    async def crossing(
        self,
        address: Pubkey,
        *,
        mint: Pubkey | None,
        amount: int,
        until: datetime,
        at_least: int,
        commitment: Commitment,
        min_context_slot: int,
    ) -> Crossing | None:
        """By which transaction a balance reached an amount in time. Raises `history.UNTOLD` too."""

    async def destinations(
        self, receiver: Pubkey, mints: Iterable[Mint], *, commitment: Commitment
    ) -> dict[Pubkey, Destination]:
        """The receiver's token accounts, by mint."""
