"""Where everything goes: the receiver's token accounts, created where they are missing, once a run and mint."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from solders.pubkey import Pubkey

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.reading.addresses import associated_token_address
from solpay_pipeline.chain.reading.destinations import Destination, read_destinations
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.broadcast import Fate
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.planning import Opening, Route, TokenDestination
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.moving.execution import Mover
from solpay_pipeline.operations.moving.submission import Draft, submit

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
        """A route for all that these wallets hold. Raises `Blocked` where the fee payer cannot open accounts for it."""
        held = {
            token.mint.address: token.mint
            for snapshot in snapshots
            for token in snapshot.holdings.tokens
            if token.amount and not token.obstacles
        }
        priced = {mint for snapshot in snapshots for mint in snapshot.payment.mints}
        unknown = [mint for address, mint in held.items() if address not in self._destinations]
        deployment = self.context.deployment
        # The price of priority, which `move` asks for next, is one more that needs no other answer.
        (found, minimum), (leg_cost, _) = await both(
            both(self._look_up(unknown), self._minimum()), both(self._leg_cost(), self.mover.shape())
        )
        await self._learn(unknown, found, priced)
        return Route(
            receiver=deployment.receiver,
            fee_payer=deployment.fee_payer.pubkey,
            tokens=self._destinations,
            receiver_minimum=minimum,
            leg_cost=leg_cost,
            openings=await self._openings(snapshots),
        )

    async def _openings(self, snapshots: Sequence[Snapshot]) -> dict[Pubkey, Opening]:
        """How the accounts are opened at whose addresses bare lamports lie, with what such an account costs today."""
        mints = {
            associated_token_address(snapshot.holdings.owner, mint.address, mint.program): mint
            for snapshot in snapshots
            if snapshot.holdings.bare
            for mint in snapshot.mints.values()
            if isinstance(mint, Mint)
        }
        wanted = {
            address: mints[address]
            for snapshot in snapshots
            for address in snapshot.holdings.bare
            if address in mints
        }
        sizes = await self._look_up(list({mint.address: mint for mint in wanted.values()}.values()))
        minimums = {
            size: await self.context.rpc.minimum_balance(size)
            for size in {one.size for one in sizes.values()}
        }
        return {
            address: Opening(mint, minimums[sizes[mint.address].size]) for address, mint in wanted.items()
        }

    async def _look_up(self, mints: Sequence[Mint]) -> dict[Pubkey, Destination]:
        if not mints:
            return {}
        deployment = self.context.deployment
        return await read_destinations(
            self.context.rpc, deployment.receiver, mints, commitment=deployment.commitment
        )

    async def _learn(
        self, mints: Sequence[Mint], found: Mapping[Pubkey, Destination], priced: Set[Pubkey]
    ) -> None:
        missing = [
            mint for mint in mints if not found[mint.address].exists and found[mint.address].obstacle is None
        ]
        wanted = [mint for mint in missing if mint.address in priced]
        # Whoever sends spam tokens would otherwise spend the fee payer's lamports on accounts for them.
        failed = {mint.address: _UNASKED for mint in missing if mint.address not in priced}
        if wanted and not self.context.options.dry_run:
            failed |= await self._create(wanted, found)
        for mint in mints:
            one = found[mint.address]
            obstacle = one.obstacle or failed.get(mint.address)
            self._destinations[mint.address] = TokenDestination(one.ata, one.memo_required, obstacle)

    async def _create(self, mints: Sequence[Mint], found: Mapping[Pubkey, Destination]) -> dict[Pubkey, str]:
        """Open accounts of the receiver; by mint, why one could not be opened in this run."""
        context, payer = self.context, self.context.deployment.fee_payer.pubkey
        rents = {
            found[mint.address].ata: await context.rpc.minimum_balance(found[mint.address].size)
            for mint in mints
        }
        rent = sum(rents.values())
        await context.facts.signature_fee()
        if context.facts.fee_payer_lamports - rent < context.facts.fee_payer_floor:
            raise Blocked(
                f"the fee payer {payer} has {context.facts.fee_payer_lamports} lamports; opening {len(mints)} token "
                f"accounts of the receiver takes {rent}: send it SOL and run again"
            )
        context.facts.fee_payer_lamports -= rent
        shape = await self.mover.shape()
        creations = [
            create_ata_idempotent(payer, context.deployment.receiver, mint.address, mint.program)
            for mint in mints
        ]
        parcels = packing.pack_creations(creations, fee_payer=payer, shape=shape, compute=self.mover.compute)
        drafts = [
            Draft(
                parcel,
                (),
                WalletState.PROCESSING_FUNDS,
                (),
                rent_paid=sum(lamports for ata, lamports in rents.items() if ata in _named(parcel)),
            )
            for parcel in parcels
        ]
        failed: dict[Pubkey, str] = {}
        for submitted in await submit(context, drafts, shape, Purpose.PREPARE_RECEIVER):
            receipt = submitted.receipt
            if receipt is not None and receipt.fate in (Fate.CONFIRMED, Fate.FINALIZED):
                continue
            why = submitted.withheld or "not recorded"
            if receipt is not None:
                why = f"{receipt.fate.value} {receipt.err or ''}".strip()
            named = _named(submitted.draft.parcel)
            failed.update(
                (mint.address, f"it could not be opened yet ({why}); the next run tries again")
                for mint in mints
                if found[mint.address].ata in named
            )
        return failed

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


def _named(parcel: Parcel) -> set[Pubkey]:
    """All accounts that a parcel's instructions name."""
    return {meta.pubkey for each in parcel.instructions for meta in each.accounts}
