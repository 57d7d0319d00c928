"""Where everything goes: the receiver's token accounts, created where they are missing, once a run and mint."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

from solders.pubkey import Pubkey

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.chain.reading.addresses import associated_token_address
from solpay_pipeline.chain.reading.destinations import Destination
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.planning import BareAddress, Route, TokenDestination
from solpay_pipeline.lifecycle.recovery import mints_to_open
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import Mover, Opening

# Wallets that share a transaction in the usual case; the fee of one more wallet is its signature and that share.
_USUAL_COMPANY = 5

_UNASKED = (
    "it does not exist, and no payment asked for this token: open it for the receiver to have the token swept"
)


@dataclass(slots=True)
class ReceiverAccounts:
    """Knows the receiver's accounts for the mints met so far in this run."""

    context: OperationContext
    mover: Mover
    _destinations: dict[Pubkey, TokenDestination] = field(default_factory=dict)
    _receiver_minimum: int | None = None

    async def route(self, snapshots: Sequence[Snapshot]) -> Route:
        """A route for all that these wallets hold."""
        held = {
            token.mint.address: token.mint
            for snapshot in snapshots
            for token in snapshot.holdings.accounts
            if token.amount and not token.obstacles
        }
        priced = {mint for snapshot in snapshots for mint in snapshot.payment.mints}
        unknown = [mint for address, mint in held.items() if address not in self._destinations]
        deployment = self.context.deployment
        look_up = self.context.chain.destinations(
            deployment.receiver, unknown, commitment=deployment.commitment
        )
        # The price of priority, which `move` asks for next, is one more that needs no other answer.
        (found, minimum), (leg_cost, _) = await both(
            both(look_up, self._minimum()), both(self._leg_cost(), self.context.facts.shape())
        )
        await self._learn(unknown, found, priced)
        bare = self._bare(snapshots)
        nested = (one for snapshot in snapshots for one in snapshot.holdings.nested)
        rents = await self._rents([*bare.values(), *chain.from_iterable(map(mints_to_open, nested))])
        return Route(
            receiver=deployment.receiver,
            fee_payer=deployment.fee_payer.pubkey,
            tokens=self._destinations,
            receiver_minimum=minimum,
            leg_cost=leg_cost,
            bare={address: BareAddress(mint, rents[mint.address]) for address, mint in bare.items()},
            rents=rents,
        )

    def _bare(self, snapshots: Sequence[Snapshot]) -> dict[Pubkey, Mint]:
        """The addresses at which lamports lie without an account, with the mint whose account can be opened there."""
        mints = {
            associated_token_address(snapshot.holdings.owner, mint.address, mint.program): mint
            for snapshot in snapshots
            if snapshot.holdings.bare
            for mint in snapshot.mints.values()
            if isinstance(mint, Mint)
        }
        return {
            address: mints[address]
            for snapshot in snapshots
            for address in snapshot.holdings.bare
            if address in mints
        }

    async def _rents(self, mints: Iterable[Mint]) -> dict[Pubkey, int]:
        """What it takes to open an account today, by mint, in lamports."""
        sizes = {mint.address: mint.account_bytes for mint in mints}
        rents = {size: await self.context.rpc.minimum_balance(size) for size in set(sizes.values())}
        return {address: rents[size] for address, size in sizes.items()}

    async def _learn(
        self, mints: Sequence[Mint], found: Mapping[Pubkey, Destination], priced: Set[Pubkey]
    ) -> None:
        missing = [
            mint for mint in mints if not found[mint.address].exists and found[mint.address].obstacle is None
        ]
        # Senders of spam tokens would otherwise spend the fee payer's lamports on accounts for them.
        failed = {mint.address: _UNASKED for mint in missing if mint.address not in priced}
        wanted = [
            Opening(mint, found[mint.address].ata, found[mint.address].size)
            for mint in missing
            if mint.address in priced
        ]
        if wanted:
            failed |= await self.mover.open_accounts(wanted)
        for mint in mints:
            one = found[mint.address]
            obstacle = one.obstacle or failed.get(mint.address)
            self._destinations[mint.address] = TokenDestination(one.ata, one.memo_required, obstacle)

    async def _minimum(self) -> int:
        if self.context.receiver_exists:
            return 0
        if self._receiver_minimum is None:
            self._receiver_minimum = await self.context.rpc.minimum_balance(0)
        return self._receiver_minimum

    async def _leg_cost(self) -> int:
        signature = await self.context.facts.signature_fee()
        shared = signature + self.context.deployment.max_priority_fee
        return signature + -(-shared // _USUAL_COMPANY)
