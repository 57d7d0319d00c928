"""Carries out the legs that were planned, and says of each wallet what that has come to.

Those that only shared a transaction with a wallet that made it fail are planned again from the chain; that wallet goes
alone the next time.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt
from solpay_pipeline.chain.sending.compute import ComputeTable, Kind, calibrate, kind_of
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.chain.sending.wire import TransactionShape
from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.actions import Leg, OpenAccount
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.changes.planned_books import PlannedBooks
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome, LegResult, Opening
from solpay_pipeline.operations.moving.openings import open_accounts
from solpay_pipeline.operations.moving.pauses import BORNE, rests_until
from solpay_pipeline.operations.moving.submission import Draft, Submitted, submit, tell_unpaid
from solpay_pipeline.records.vault import KeyMismatch, KeyUnreadable

# Transactions signed with one blockhash: what one status call asks for.
_BATCH = 256

# Of the minute that a blockhash lives, what sending may take; the rest is for resending and confirming.
_SENDING_SECONDS = 20.0

# Wallets of each new kind of action that are packed to be measured: as many as share a transaction at most.
_SAMPLED = 11


@dataclass(slots=True)
class SendingMover:
    """See `Mover`; rows of wallets take `state_in_flight` while a leg of theirs is on its way."""

    context: OperationContext
    purpose: Purpose
    state_in_flight: WalletState
    compute: ComputeTable = field(default_factory=ComputeTable)
    _measured: set[Kind] = field(default_factory=set)

    async def move(self, jobs: Sequence[LegJob], *, alone: Collection[int]) -> list[LegResult]:
        """See `Mover`."""
        jobs, failing = self._without_resting(jobs)
        alone = {*alone, *failing}
        shape = await self.context.facts.shape()
        # While a node simulates, keys are opened.
        _, (keys, results) = await both(self._calibrate(jobs, shape), self._open_keys(jobs))
        ready = {job.wallet.id: job for job in jobs if job.wallet.id in keys}
        parcels, too_large = _packed(self.context, list(ready.values()), shape, self.compute, alone)
        words = "one account alone does not fit a transaction"
        results += [_aside(ready[leg.wallet_id].wallet, FindingCode.TOO_LARGE, words) for leg in too_large]
        batch = self._batch()
        for start in range(0, len(parcels), batch):
            drafts = [
                Draft(
                    parcel,
                    tuple(ready[leg.wallet_id].wallet for leg in parcel.legs),
                    tuple(keys[leg.wallet_id] for leg in parcel.legs),
                    rent_paid=_lent(parcel),
                )
                for parcel in parcels[start : start + batch]
            ]
            if self.context.must_stop():
                results += [LegResult(wallet, LegOutcome.AGAIN) for one in drafts for wallet in one.wallets]
                continue
            for submitted in await self._submit(drafts):
                results += self._results(submitted)
                self.context.progress("moved", len(submitted.draft.wallets))
        return results

    async def _submit(self, drafts: Sequence[Draft]) -> list[Submitted]:
        """Submit; what was more than the fee payer had, again with the rent that the others have brought back."""
        done: list[Submitted] = []
        while drafts:
            tried = await submit(self.context, drafts, self.purpose, self.state_in_flight)
            done += [one for one in tried if not one.is_unpaid]
            unpaid = [one for one in tried if one.is_unpaid]
            has_more = any(one.has_landed and one.draft.rent_back for one in tried)
            drafts = [half for one in unpaid for half in await self._halves(one.draft)]
            if not has_more and len(drafts) == len(unpaid):
                tell_unpaid(self.context, drafts, await self.context.facts.signature_fee())
                return done + unpaid
        return done

    async def _halves(self, draft: Draft) -> list[Draft]:
        """A draft of several wallets as two: where the fee payer cannot pay for all of them, some may go."""
        middle = len(draft.wallets) // 2
        if not middle:
            return [draft]
        shape = await self.context.facts.shape()
        of_wallet = {wallet.id: (wallet, key) for wallet, key in zip(draft.wallets, draft.keys, strict=True)}
        fee_payer = self.context.deployment.fee_payer.pubkey
        halves = [draft.parcel.legs[:middle], draft.parcel.legs[middle:]]
        parcels = [
            parcel
            for half in halves
            for parcel in packing.pack(half, fee_payer=fee_payer, shape=shape, compute=self.compute).parcels
        ]
        return [
            Draft(
                parcel,
                tuple(of_wallet[leg.wallet_id][0] for leg in parcel.legs),
                tuple(of_wallet[leg.wallet_id][1] for leg in parcel.legs),
            )
            for parcel in parcels
        ]

    async def open_accounts(self, openings: Sequence[Opening]) -> dict[Pubkey, str]:
        """See `Mover`."""
        return await open_accounts(self.context, openings, self.compute)

    def _without_resting(self, jobs: Sequence[LegJob]) -> tuple[list[LegJob], Collection[int]]:
        """The jobs but for wallets that rest after failures, and the wallets that have failed and do not rest.

        A payment that an operator names is tried at once.
        """
        failures = self.context.records.failures_in_a_row([job.wallet.id for job in jobs])
        if not failures:
            return list(jobs), ()
        now, is_named = self.context.deployment.clock(), self.context.options.payment_ids is not None
        rests = {wallet_id: rests_until(one) for wallet_id, one in failures.items()}
        resting = {
            wallet_id
            for wallet_id, until in rests.items()
            if not is_named and until is not None and until > now
        }
        self.context.tally.resting += len(resting)
        # One failure may have been another's, in a transaction that they shared.
        failing = {wallet_id for wallet_id, one in failures.items() if one.count >= BORNE} - resting
        return [job for job in jobs if job.wallet.id not in resting], failing

    async def _calibrate(self, jobs: Sequence[LegJob], shape: TransactionShape) -> None:
        """Measure the kinds of action that this run has not met yet."""
        parcels, _ = _packed(self.context, self._of_new_kinds(jobs), shape, self.compute)
        fresh = [parcel for parcel in parcels if not self._measured.issuperset(parcel.kinds)]
        if not fresh:
            return
        deployment = self.context.deployment
        samples = packing.samples(fresh, fee_payer=deployment.fee_payer.pubkey, shape=shape)
        self.compute = await calibrate(
            self.context.rpc, self.compute, samples, commitment=deployment.commitment
        )
        self._measured.update(kind for parcel in fresh for kind in parcel.kinds)

    def _batch(self) -> int:
        """Transactions that may be sent under one blockhash at the pace that was set."""
        apart = self.context.rpc.seconds_apart
        return max(1, min(_BATCH, int(_SENDING_SECONDS / apart))) if apart else _BATCH

    def _of_new_kinds(self, jobs: Iterable[LegJob]) -> list[LegJob]:
        """A few of the jobs with each kind of action that has not been measured yet."""
        seen: Counter[Kind] = Counter()
        chosen = []
        for job in jobs:
            kinds = {kind_of(action) for action in job.leg.actions} - self._measured
            if any(seen[kind] < _SAMPLED for kind in kinds):
                seen.update(kinds)
                chosen.append(job)
        return chosen

    async def _open_keys(self, jobs: Sequence[LegJob]) -> tuple[dict[int, Keypair], list[LegResult]]:
        deployment = self.context.deployment
        ids = [job.wallet.id for job in jobs]
        sealed, busy = self.context.records.sealed_keypairs(ids), self.context.records.busy(ids)
        keys: dict[int, Keypair] = {}
        results: list[LegResult] = []
        for job in jobs:
            wallet = job.wallet
            if wallet.id in busy or wallet.id not in sealed:
                results.append(LegResult(wallet, LegOutcome.SKIPPED))
                continue
            try:
                keys[wallet.id] = deployment.vault.open(sealed[wallet.id], job.leg.owner)
            except KeyUnreadable as error:
                results.append(_aside(wallet, FindingCode.KEY_UNREADABLE, str(error)))
            except KeyMismatch as error:
                results.append(_aside(wallet, FindingCode.KEY_MISMATCH, str(error)))
        return keys, results

    def _results(self, submitted: Submitted) -> list[LegResult]:
        draft, receipt = submitted.draft, submitted.receipt
        if submitted.is_unpaid:
            return [LegResult(wallet, LegOutcome.WAITS) for wallet in draft.wallets]
        if submitted.withheld:
            return [_waits(wallet, submitted.withheld) for wallet in draft.wallets]
        if receipt is None:
            return [
                LegResult(wallet, LegOutcome.UNFIT if wallet.id in submitted.unfit else LegOutcome.AGAIN)
                for wallet in draft.wallets
            ]
        moved = [replace(wallet, state=self.state_in_flight) for wallet in draft.wallets]
        match receipt.fate:
            case Fate.CONFIRMED | Fate.FINALIZED:
                return [LegResult(wallet, LegOutcome.LANDED, slot=receipt.slot or 0) for wallet in moved]
            case Fate.IN_FLIGHT:
                return [LegResult(wallet, LegOutcome.IN_FLIGHT) for wallet in moved]
            case Fate.DEAD:
                return [LegResult(wallet, LegOutcome.AGAIN) for wallet in moved]
            case Fate.FAILED | Fate.REFUSED:
                return _of_a_failure(draft.parcel, receipt, moved)


@dataclass(frozen=True, slots=True)
class PlanningMover:
    """The mover of a dry run: see `Mover`. It packs and counts; no key is opened, nothing is signed or simulated."""

    books: PlannedBooks
    context: OperationContext
    purpose: Purpose
    state_in_flight: WalletState

    async def move(self, jobs: Sequence[LegJob], *, alone: Collection[int]) -> list[LegResult]:
        """See `Mover`; nothing is carried out, so that there are no results."""
        shape = await self.context.facts.shape()
        parcels, _ = _packed(self.context, jobs, shape, ComputeTable(), alone)
        self.books.plan(len(parcels), [action for job in jobs for action in job.leg.actions])
        return []

    async def open_accounts(self, openings: Sequence[Opening]) -> dict[Pubkey, str]:
        """See `Mover`; taken for opened."""
        return {}


def _packed(
    context: OperationContext,
    jobs: Sequence[LegJob],
    shape: TransactionShape,
    compute: ComputeTable,
    alone: Collection[int] = (),
) -> tuple[list[Parcel], list[Leg]]:
    """Transactions for these jobs, and the legs that fit none."""
    groups = [[job.leg for job in jobs if job.wallet.id not in alone]]
    groups += [[job.leg] for job in jobs if job.wallet.id in alone]
    parcels: list[Parcel] = []
    too_large: list[Leg] = []
    for legs in groups:
        packed = packing.pack(
            legs, fee_payer=context.deployment.fee_payer.pubkey, shape=shape, compute=compute
        )
        parcels += packed.parcels
        too_large += packed.unpackable
    return parcels, too_large


def _lent(parcel: Parcel) -> int:
    """Lamports that the fee payer puts into accounts of wallets which later transactions close."""
    actions = (action for leg in parcel.legs for action in leg.actions)
    return sum(action.lamports for action in actions if isinstance(action, OpenAccount))


def _of_a_failure(parcel: Parcel, receipt: Receipt, wallets: Sequence[Wallet]) -> list[LegResult]:
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
            finding = Finding.about(wallet, FindingCode.TRANSACTION_FAILED, words)
            results.append(LegResult(wallet, LegOutcome.SPOILED, slot=slot, finding=finding))
        else:
            results.append(LegResult(wallet, LegOutcome.AGAIN, slot=slot))
    return results


def _waits(wallet: Wallet, why: str) -> LegResult:
    finding = Finding.about(wallet, FindingCode.SPENDING_LIMIT, f"not moved yet: {why}")
    return LegResult(wallet, LegOutcome.WAITS, finding=finding)


def _aside(wallet: Wallet, code: FindingCode, explanation: str) -> LegResult:
    return LegResult(wallet, LegOutcome.SET_ASIDE, finding=Finding.about(wallet, code, explanation))
