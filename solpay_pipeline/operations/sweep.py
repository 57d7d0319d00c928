"""Sweep: every lamport and every token of accepted payments goes home, emptied accounts are closed on the way.

A wallet in a sweepable state whose payment was never accepted is judged first, as recheck would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.history import HistoryUnfinished
from solpay_pipeline.ledger.tables import FollowState, Purpose
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.judgement import covers
from solpay_pipeline.lifecycle.planning import plan_sweep
from solpay_pipeline.lifecycle.policy import SWEEPING, SWEEPING_HELD
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, SWEEPABLE, Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import LegJob, Mover
from solpay_pipeline.operations.context.records import Wanted
from solpay_pipeline.operations.looking.external_movements import AccountsUnseen, went_elsewhere, went_home
from solpay_pipeline.operations.looking.own_addresses import with_own_address
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.looking.resolutions import judge_and_resolve
from solpay_pipeline.operations.moving.receiver_accounts import ReceiverAccounts
from solpay_pipeline.operations.moving.reconcile import RoundPlan, reconcile

_NOT_YET_SWEEPABLE = (WalletState.CREATED, WalletState.RECEIVED_FUNDS, WalletState.PAYMENT_EXPIRED)


async def sweep(context: OperationContext) -> None:
    """Sweep all wallets that are to be swept."""
    states = set(SWEEPABLE)
    if context.options.sweep_held_funds:
        states.add(WalletState.RECEIVED_FUNDS)
    sweeper = Sweeper.of(context)
    for page in wallet_pages(context, Wanted(states)):
        await sweeper.sweep(page)
    # A payment may have been accepted by an operator or by custom code without updating its wallet.
    for page in wallet_pages(context, Wanted(_NOT_YET_SWEEPABLE, ACCEPTED)):
        await sweeper.sweep(context.books.change_state(page, WalletState.PROCESSING_PAYMENT))


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Sweeps wallets handed to it; also used by recheck for what it has just accepted."""

    context: OperationContext
    mover: Mover
    receiver_accounts: ReceiverAccounts

    @classmethod
    def of(cls, context: OperationContext) -> "Sweeper":
        """A sweeper for one operation."""
        mover = context.new_mover(context, Purpose.SWEEP, WalletState.PROCESSING_FUNDS)
        return cls(context, mover, ReceiverAccounts(context, mover))

    async def sweep(self, wallets: Sequence[Wallet]) -> None:
        """Bring wallets to rest."""
        await reconcile(self.context, wallets, self)

    async def plan(self, snapshots: Sequence[Snapshot]) -> RoundPlan:
        """See `Planner`."""
        accepted = self._paid([one for one in snapshots if one.payment.status in ACCEPTED])
        others = [one for one in snapshots if one.payment.status not in ACCEPTED]
        # With `sweep_held_funds` too every one is judged first: the peer expires what was paid in time.
        policy = SWEEPING_HELD if self.context.options.sweep_held_funds else SWEEPING
        resolved = await judge_and_resolve(self.context, others, policy)
        jobs = await self._jobs([*accepted, *resolved.released])
        return RoundPlan(tuple(jobs), tuple(resolved.accepted))

    def _paid(self, accepted: Sequence[Snapshot]) -> list[Snapshot]:
        """Those of accepted payments whose transfer no fork has taken back: nothing else is swept as paid."""
        if not accepted:
            return []
        followed = self.context.records.followed([one.payment.address for one in accepted])
        return [one for one in accepted if followed.get(one.payment.address) is not FollowState.REVERTED]

    async def _jobs(self, snapshots: Sequence[Snapshot]) -> list[LegJob]:
        snapshots = [one for one in snapshots if one.wallet.state in SWEEPABLE | {WalletState.RECEIVED_FUNDS}]
        if self.context.receiver is None:
            # What is empty is closed all the same: its rent goes to the fee payer.
            self.context.tally.kept_back += sum(not snapshot.holdings.is_empty for snapshot in snapshots)
            snapshots = [snapshot for snapshot in snapshots if snapshot.holdings.is_empty]
        if not snapshots:
            return []
        route = await self.receiver_accounts.route(snapshots)
        jobs, at_rest = [], []
        told: list[Finding] = []
        for snapshot in snapshots:
            plan = plan_sweep(snapshot.wallet, snapshot.holdings, route)
            if plan.leg is not None:
                jobs.append(LegJob(snapshot.wallet, plan.leg))
            elif plan.is_at_rest:
                at_rest.append(snapshot)
                told += plan.findings
            else:
                self.give_up(snapshot.wallet, *plan.findings, *await self._lost_beside(snapshot))
        self.context.books.rest_swept(await self._explained(at_rest))
        self.context.books.note(told)
        return jobs

    async def _explained(self, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
        """Those of the empty wallets whose money went home by us, or by others that we can name.

        Where we have sent home as much as a price asked for and as had come in when it was accepted, the sums explain
        it; else its whole history is read.
        """
        if not snapshots:
            return []
        moved = self.context.records.moved_home([one.wallet.id for one in snapshots])
        received = self.context.records.received([one.payment.address for one in snapshots])
        explained = []
        for one in snapshots:
            by_us = moved.get(one.wallet.id)
            mint, amount = received.get(one.payment.address, (None, 0))
            is_all = by_us is not None and by_us.get(mint, 0) >= amount
            if (is_all and self._covers(one, by_us or {})) or (
                with_own_address(self.context, [one]) and await self._is_explained(one, by_us is not None)
            ):
                explained.append(one)
        return explained

    async def _lost_beside(self, snapshot: Snapshot) -> list[Finding]:
        """What is neither there nor home of a wallet of which something else cannot move."""
        owner = snapshot.payment.address
        mint, amount = self.context.records.received([owner]).get(owner, (None, 0))
        by_us = self.context.records.moved_home([snapshot.wallet.id]).get(snapshot.wallet.id, {})
        if snapshot.holdings.money().get(mint, 0) + by_us.get(mint, 0) >= amount:
            return []
        try:
            return await went_elsewhere(self.context, snapshot)
        except (HistoryUnfinished, AccountsUnseen):
            return []

    def _covers(self, snapshot: Snapshot, by_us: Mapping[Pubkey | None, int]) -> bool:
        is_held_money = snapshot.payment.status not in ACCEPTED
        tolerance = self.context.options.tolerance
        return is_held_money or covers(snapshot.payment, by_us, snapshot.decimals, tolerance)

    async def _is_explained(self, snapshot: Snapshot, is_by_us: bool) -> bool:
        try:
            findings = await (went_elsewhere if is_by_us else went_home)(self.context, snapshot)
        except (HistoryUnfinished, AccountsUnseen):
            self.context.tally.waiting += 1
            return False
        if any(one.is_set_aside for one in findings):
            if self._may_be_taken_back(snapshot, findings):
                self.context.tally.waiting += 1
                return False
            self.give_up(snapshot.wallet, *findings)
            return False
        self.context.books.note(findings)
        return True

    def _may_be_taken_back(self, snapshot: Snapshot, findings: Sequence[Finding]) -> bool:
        """Nothing shows where its money went, and what paid is not final: a fork may have taken it, which a later run
        will see.
        """
        address = snapshot.payment.address
        return not any(one.amount for one in findings) and address in self.context.records.followed([address])

    def give_up(self, wallet: Wallet, *findings: Finding) -> None:
        """See `Planner`; the wallet becomes `failed_to_send_funds`, which the next sweep tries again."""
        self.context.books.note(findings)
        if wallet.state is not WalletState.FAILED_TO_SEND_FUNDS and wallet.state in SWEEPABLE:
            self.context.books.change_state([wallet], WalletState.FAILED_TO_SEND_FUNDS)
