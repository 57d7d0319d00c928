"""All that is read of the chain about wallets, through one client."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading import accounts, family, history
from solpay_pipeline.chain.reading.crossing import Crossing, find_crossing
from solpay_pipeline.chain.reading.destinations import Destination, read_destinations
from solpay_pipeline.chain.reading.history import History
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.evidence.statement import Homes
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, UnreadableMint
from solpay_pipeline.lifecycle.terms import Commitment


@dataclass(frozen=True, slots=True)
class RpcChain:
    """Each method is the function of its name; see there what it raises."""

    rpc: Rpc

    async def mints(
        self, addresses: Iterable[Pubkey], *, commitment: Commitment
    ) -> dict[Pubkey, Mint | UnreadableMint]:
        """See `accounts.read_mints`."""
        return await accounts.read_mints(self.rpc, addresses, commitment=commitment)

    async def holdings(
        self,
        wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
    ) -> list[Holdings]:
        """See `accounts.read_holdings`."""
        return await accounts.read_holdings(self.rpc, wallets, mints, commitment=commitment)

    async def holdings_and_mints(
        self,
        wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
        known: Mapping[Pubkey, Mint],
        *,
        commitment: Commitment,
        min_context_slot: int,
    ) -> tuple[list[Holdings], dict[Pubkey, Mint | UnreadableMint]]:
        """See `accounts.read_holdings_and_mints`."""
        return await accounts.read_holdings_and_mints(
            self.rpc, wallets, known, commitment=commitment, min_context_slot=min_context_slot
        )

    async def discover(
        self, holdings: Holdings, mints: Mapping[Pubkey, Mint | UnreadableMint], *, commitment: Commitment
    ) -> Holdings:
        """See `accounts.discover`."""
        return await accounts.discover(self.rpc, holdings, mints, commitment=commitment)

    async def nested(
        self,
        wallets: Sequence[tuple[Pubkey, Sequence[Pubkey]]],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
    ) -> list[frozenset[Pubkey]]:
        """See `family.find_nested`."""
        return await family.find_nested(self.rpc, wallets, mints, commitment=commitment)

    async def look_at(
        self,
        holdings: Holdings,
        addresses: Collection[Pubkey],
        mints: Mapping[Pubkey, Mint | UnreadableMint],
        *,
        commitment: Commitment,
        owned: Mapping[Pubkey, Pubkey],
    ) -> Holdings:
        """See `family.look_at`."""
        return await family.look_at(self.rpc, holdings, addresses, mints, commitment=commitment, owned=owned)

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
        """See `history.read`."""
        return await history.read(
            self.rpc,
            owner,
            token_accounts,
            commitment=commitment,
            homes=homes,
            without=without,
            min_context_slot=min_context_slot,
            begins_before=begins_before,
            final=final,
            must_stop=must_stop,
        )

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
        """See `history.read_newest`."""
        return await history.read_newest(
            self.rpc,
            owner,
            address,
            mint=mint,
            balance=balance,
            made_at=made_at,
            was_opened=was_opened,
            commitment=commitment,
            homes=homes,
            min_context_slot=min_context_slot,
        )

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
        """See `crossing.find_crossing`."""
        return await find_crossing(
            self.rpc,
            address,
            mint=mint,
            amount=amount,
            until=until,
            at_least=at_least,
            commitment=commitment,
            min_context_slot=min_context_slot,
        )

    async def destinations(
        self, receiver: Pubkey, mints: Iterable[Mint], *, commitment: Commitment
    ) -> dict[Pubkey, Destination]:
        """See `destinations.read_destinations`."""
        return await read_destinations(self.rpc, receiver, mints, commitment=commitment)
