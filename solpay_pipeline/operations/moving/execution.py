"""Carries out the legs that were planned, and says of each wallet what that has come to.

A wallet that spoils a shared transaction is told apart from those that only travelled with it: they are planned anew
from the chain, it goes alone the next time.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from solders.keypair import Keypair

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt
from solpay_pipeline.chain.sending.compute import ComputeTable, Kind, calibrate, kind_of, priority_price
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.chain.sending.wire import TransactionShape
from solpay_pipeline.ledger import transactions
from solpay_pipeline.lifecycle.actions import Leg, MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.findings import Code, Finding
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.moving.submission import Delivered, Shipment, ship
from solpay_pipeline.records.queries import sealed_keypairs
from solpay_pipeline.records.vault import KeyMismatch, KeyUnreadable

# Transactions signed with one blockhash: what one status call asks for.
_BATCH = 256

# Of the minute that a blockhash lives, what sending may take; the rest is for resending and confirming.
_SENDING_SECONDS = 20.0

# Keys opened before what came in meanwhile is looked at: a few milliseconds' work.
_OPENED_TOGETHER = 32

# Wallets of each new kind of action that are packed to be measured: as many as share a transaction at most.
_SAMPLED = 11


@dataclass(frozen=True, slots=True)
class Job:
    """A wallet's row as read, and its leg."""

    wallet: Wallet
    leg: Leg


class Turn(StrEnum):
    """What a job has come to."""

    LANDED = "landed"
    AGAIN = "again"
    """Its transaction failed through another wallet, or never landed: plan it anew from the chain."""
    SPOILED = "spoiled"
    """Its own instructions made the transaction fail."""
    IN_FLIGHT = "in_flight"
    SKIPPED = "skipped"
    """Somebody else works on it, or has changed its row."""
    SET_ASIDE = "set_aside"
    WAITS = "waits"
    """It would cost more than may be spent; its row is as it was, and another run moves it."""


@dataclass(frozen=True, slots=True)
class Result:
    """`wallet` is the row as we left it; `slot` is where the transaction landed; `finding` says why it did not."""

    wallet: Wallet
    turn: Turn
    slot: int = 0
    finding: Finding | None = None


@dataclass(slots=True)
class Mover:
    """Moves for one errand; rows of wallets take `state_in_flight` while a leg of theirs is on its way."""

    errand: Errand
    purpose: str
    state_in_flight: WalletState
    _shape: TransactionShape | None = None
    compute: ComputeTable = field(default_factory=ComputeTable)
    _measured: set[Kind] = field(default_factory=set)

    async def shape(self) -> TransactionShape:
        """How transactions are written in this run; the priority price is read once."""
        if self._shape is None:
            merchant = self.errand.merchant
            price = 0
            if merchant.max_priority_fee:
                written = [merchant.fee_payer.pubkey, merchant.receiver]
                price = await priority_price(self.errand.rpc, written)
            self._shape = TransactionShape(merchant.transaction_version, price, merchant.max_priority_fee)
        return self._shape

    async def plan_only(self, jobs: Sequence[Job]) -> None:
        """Count what `move` would send."""
        tally = self.errand.tally
        tally.planned_transactions += len(self._packed(jobs, await self.shape(), alone=())[0])
        for action in (action for job in jobs for action in job.leg.actions):
            match action:
                case MoveLamports():
                    tally.planned_amounts[None] += action.lamports
                case MoveTokens():
                    tally.planned_amounts[str(action.mint)] += action.amount

    async def move(self, jobs: Sequence[Job], *, alone: Collection[int]) -> list[Result]:
        """Carry out jobs; the wallets in `alone` get a transaction each. Every job has one result.

        Raises what `delivery.ship` raises.
        """
        shape = await self.shape()
        # While a node simulates, keys are opened.
        _, (keys, results) = await both(self._calibrate(jobs, shape), self._open_keys(jobs))
        ready = {job.wallet.id: job for job in jobs if job.wallet.id in keys}
        parcels, too_large = self._packed(list(ready.values()), shape, alone)
        results += [
            _aside(
                ready[leg.wallet_id].wallet, Code.TOO_LARGE, "one account alone does not fit a transaction"
            )
            for leg in too_large
        ]
        batch = self._batch()
        for start in range(0, len(parcels), batch):
            shipments = [
                Shipment(
                    parcel,
                    tuple(ready[leg.wallet_id].wallet for leg in parcel.legs),
                    self.state_in_flight,
                    tuple(keys[leg.wallet_id] for leg in parcel.legs),
                )
                for parcel in parcels[start : start + batch]
            ]
            if self.errand.must_stop():
                results += [Result(wallet, Turn.AGAIN) for one in shipments for wallet in one.wallets]
                continue
            for delivered in await ship(self.errand, shipments, shape, self.purpose):
                results += self._results(delivered)
                self.errand.progress("moved", len(delivered.shipment.wallets))
        return results

    async def _calibrate(self, jobs: Sequence[Job], shape: TransactionShape) -> None:
        """Measure the kinds of action that this run has not met yet."""
        parcels, _ = self._packed(self._of_new_kinds(jobs), shape, alone=())
        fresh = [parcel for parcel in parcels if not self._measured.issuperset(parcel.kinds)]
        if not fresh:
            return
        merchant = self.errand.merchant
        samples = packing.samples(fresh, fee_payer=merchant.fee_payer.pubkey, shape=shape)
        self.compute = await calibrate(self.errand.rpc, self.compute, samples, commitment=merchant.commitment)
        self._measured.update(kind for parcel in fresh for kind in parcel.kinds)

    def _batch(self) -> int:
        """Transactions that may be sent under one blockhash at the pace that was set."""
        apart = self.errand.rpc.seconds_apart
        return max(1, min(_BATCH, int(_SENDING_SECONDS / apart))) if apart else _BATCH

    def _of_new_kinds(self, jobs: Iterable[Job]) -> list[Job]:
        """A few of the jobs with each kind of action that has not been measured yet."""
        seen: Counter[Kind] = Counter()
        chosen = []
        for job in jobs:
            kinds = {kind_of(action) for action in job.leg.actions} - self._measured
            if any(seen[kind] < _SAMPLED for kind in kinds):
                seen.update(kinds)
                chosen.append(job)
        return chosen

    def _packed(
        self, jobs: Sequence[Job], shape: TransactionShape, alone: Collection[int]
    ) -> tuple[list[Parcel], list[Leg]]:
        groups = [[job.leg for job in jobs if job.wallet.id not in alone]]
        groups += [[job.leg] for job in jobs if job.wallet.id in alone]
        parcels: list[Parcel] = []
        too_large: list[Leg] = []
        for legs in groups:
            packed = packing.pack(
                legs, fee_payer=self.errand.merchant.fee_payer.pubkey, shape=shape, compute=self.compute
            )
            parcels += packed.parcels
            too_large += packed.unpackable
        return parcels, too_large

    async def _open_keys(self, jobs: Sequence[Job]) -> tuple[dict[int, Keypair], list[Result]]:
        merchant = self.errand.merchant
        ids = [job.wallet.id for job in jobs]
        with reading(merchant.engine) as connection:
            sealed = sealed_keypairs(connection, merchant.tables, ids)
            busy = transactions.busy_wallets(connection, ids)
        keys: dict[int, Keypair] = {}
        results: list[Result] = []
        for number, job in enumerate(jobs):
            if number % _OPENED_TOGETHER == 0:
                await asyncio.sleep(0)
            wallet = job.wallet
            if wallet.id in busy or wallet.id not in sealed:
                results.append(Result(wallet, Turn.SKIPPED))
                continue
            try:
                keys[wallet.id] = merchant.vault.open(sealed[wallet.id], job.leg.owner)
            except KeyUnreadable as error:
                results.append(_aside(wallet, Code.KEY_UNREADABLE, str(error)))
            except KeyMismatch as error:
                results.append(_aside(wallet, Code.KEY_MISMATCH, str(error)))
        return keys, results

    def _results(self, delivered: Delivered) -> list[Result]:
        shipment, receipt = delivered.shipment, delivered.receipt
        if delivered.withheld:
            return [_waits(wallet, delivered.withheld) for wallet in shipment.wallets]
        if receipt is None:
            # One of them was changed or taken by somebody else; the next look tells which.
            return [Result(wallet, Turn.AGAIN) for wallet in shipment.wallets]
        moved = [replace(wallet, state=self.state_in_flight) for wallet in shipment.wallets]
        match receipt.fate:
            case Fate.CONFIRMED | Fate.FINALIZED:
                return [Result(wallet, Turn.LANDED, slot=receipt.slot or 0) for wallet in moved]
            case Fate.IN_FLIGHT:
                return [Result(wallet, Turn.IN_FLIGHT) for wallet in moved]
            case Fate.DEAD:
                return [Result(wallet, Turn.AGAIN) for wallet in moved]
            case Fate.FAILED | Fate.REFUSED:
                return _told_apart(shipment.parcel, receipt, moved)


def _told_apart(parcel: Parcel, receipt: Receipt, wallets: Sequence[Wallet]) -> list[Result]:
    """The wallet whose instruction failed, or every one where the chain names none or only one travelled."""
    index = receipt.failed_instruction
    culprit = (
        None if index is None or index >= len(parcel.leg_of_instruction) else parcel.leg_of_instruction[index]
    )
    slot = receipt.slot or 0
    results = []
    for position, wallet in enumerate(wallets):
        if culprit is None or position == culprit:
            words = f"its transaction {receipt.signature} failed: {receipt.err}"
            finding = _finding(wallet, Code.TRANSACTION_FAILED, words)
            results.append(Result(wallet, Turn.SPOILED, slot=slot, finding=finding))
        else:
            results.append(Result(wallet, Turn.AGAIN, slot=slot))
    return results


def _waits(wallet: Wallet, why: str) -> Result:
    return Result(wallet, Turn.WAITS, finding=_finding(wallet, Code.SPENDING_LIMIT, f"not moved yet: {why}"))


def _aside(wallet: Wallet, code: Code, explanation: str) -> Result:
    return Result(wallet, Turn.SET_ASIDE, finding=_finding(wallet, code, explanation))


def _finding(wallet: Wallet, code: Code, explanation: str) -> Finding:
    return Finding(code, wallet.id, None if wallet.payment is None else wallet.payment.id, explanation)
