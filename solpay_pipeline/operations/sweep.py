"""Sweep: every lamport and every token of accepted payments goes home, emptied accounts are closed on the way.

A wallet in a sweepable state whose payment was never accepted is judged first, as recheck would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import transactions
from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.planning import plan_sweep
from solpay_pipeline.lifecycle.resolution import Disposition, resolve
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, SWEEPABLE, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline.operations.looking.judging import unclear
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.looking.snapshots import judge_snapshots
from solpay_pipeline.operations.moving.execution import LegJob, Mover
from solpay_pipeline.operations.moving.receiver_accounts import ReceiverAccounts
from solpay_pipeline.operations.moving.reconcile import RoundPlan, reconcile

_NOT_YET_SWEEPABLE = (WalletState.CREATED, WalletState.RECEIVED_FUNDS, WalletState.PAYMENT_EXPIRED)


async def sweep(context: OperationContext) -> None:
    """Sweep all wallets that are to be swept."""
    states = set(SWEEPABLE)
    if context.options.sweep_held_funds:
        states.add(WalletState.RECEIVED_FUNDS)
    sweeper = Sweeper.of(context)
    for page in wallet_pages(context, states=states):
        await sweeper.sweep(page)
    # A hand, or a shop of its own making, may accept a payment and leave its wallet as it was.
    for page in wallet_pages(context, states=_NOT_YET_SWEEPABLE, payment_statuses=ACCEPTED):
        await sweeper.sweep(transitions.move_to_state(context, page, WalletState.PROCESSING_PAYMENT))


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Sweeps wallets handed to it; also used by recheck for what it has just accepted."""

    context: OperationContext
    mover: Mover
    receiver_accounts: ReceiverAccounts

    @classmethod
    def of(cls, context: OperationContext) -> "Sweeper":
        """A sweeper for one errand."""
        mover = Mover(context, Purpose.SWEEP, WalletState.PROCESSING_FUNDS)
        return cls(context, mover, ReceiverAccounts(context, mover))

    async def sweep(self, wallets: Sequence[Wallet]) -> None:
        """Bring wallets to rest."""
        await reconcile(self.context, wallets, self.mover, self._decide, self._give_up)

    async def _decide(self, snapshots: Sequence[Snapshot]) -> RoundPlan:
        accepted = [snapshot for snapshot in snapshots if snapshot.payment.status in ACCEPTED]
        again, let_go = await self._judge(
            [snapshot for snapshot in snapshots if snapshot.payment.status not in ACCEPTED]
        )
        return RoundPlan(tuple(await self._plan([*accepted, *let_go])), tuple(again))

    async def _plan(self, snapshots: Sequence[Snapshot]) -> list[LegJob]:
        snapshots = [
            snapshot
            for snapshot in snapshots
            if snapshot.wallet.state in SWEEPABLE | {WalletState.RECEIVED_FUNDS}
        ]
        if not snapshots:
            return []
        route = await self.receiver_accounts.route(snapshots)
        jobs, at_rest = [], []
        for snapshot in snapshots:
            plan = plan_sweep(snapshot.wallet, snapshot.holdings, route)
            if plan.leg is not None:
                jobs.append(LegJob(snapshot.wallet, plan.leg))
            elif plan.findings:
                self._give_up(snapshot.wallet, *plan.findings)
            else:
                at_rest.append(snapshot)
        transitions.mark_swept(self.context, await self._explained(at_rest))
        return jobs

    async def _explained(self, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
        """Those of the empty wallets whose money went home by our own hand, or by another's that we can name."""
        if not snapshots:
            return []
        with reading(self.context.deployment.engine) as connection:
            ours = transactions.gone_home(connection, [snapshot.wallet.id for snapshot in snapshots])
        return [
            snapshot
            for snapshot in snapshots
            if snapshot.wallet.id in ours or await self._went_home(snapshot)
        ]

    async def _went_home(self, snapshot: Snapshot) -> bool:
        findings = await went_home(self.context, snapshot)
        if any(one.is_set_aside for one in findings):
            self._give_up(snapshot.wallet, *findings)
            return False
        transitions.set_aside(self.context, findings)
        return True

    async def _judge(self, snapshots: Sequence[Snapshot]) -> tuple[list[Wallet], list[Snapshot]]:
        """Wallets of payments that nobody has accepted: those that turn out paid, and those whose held money may go.

        Also with `sweep_held_funds` every one is judged first: the peer expires what was paid in time.
        """
        paid: list[tuple[Snapshot, Judgement]] = []
        let_go: list[Snapshot] = []
        as_seen = {snapshot.wallet.id: snapshot for snapshot in snapshots}
        for snapshot, judged in await judge_snapshots(self.context, snapshots):
            if isinstance(judged, Finding):
                transitions.set_aside(self.context, [judged])
                continue
            resolution = resolve(snapshot.payment, snapshot.holdings, judged, self.context.chain_time)
            match resolution.disposition:
                case Disposition.ACCEPT:
                    paid.append((snapshot, judged))
                case Disposition.WAIT if snapshot.holdings.is_empty:
                    changed = transitions.move_to_state(self.context, [snapshot.wallet], WalletState.CREATED)
                    self.context.tally.returned += len(changed)
                case Disposition.WAIT | Disposition.EXPIRE | Disposition.EXPIRE_AND_HOLD:
                    # Short, or its time is over: the one waits, the other is expire's to decide.
                    self.context.tally.waiting += 1
                case Disposition.HOLD if self.context.options.sweep_held_funds:
                    let_go.append(as_seen[snapshot.wallet.id])
                case Disposition.HOLD if resolution.label is not None:
                    transitions.hold(self.context, snapshot, resolution.label)
                case Disposition.CLOSE:
                    self._leave_to_reclaim(snapshot)
                case _:
                    transitions.set_aside(self.context, unclear(snapshot))
        return transitions.accept(self.context, paid), let_go

    def _leave_to_reclaim(self, snapshot: Snapshot) -> None:
        """Expired and empty: swept before if the ledger says so, else its accounts are to be closed."""
        with reading(self.context.deployment.engine) as connection:
            ours = transactions.gone_home(connection, [snapshot.wallet.id])
        if ours:
            transitions.mark_swept(self.context, [snapshot])
        else:
            transitions.move_to_state(self.context, [snapshot.wallet], WalletState.PAYMENT_EXPIRED)

    def _give_up(self, wallet: Wallet, *findings: Finding) -> None:
        transitions.set_aside(self.context, findings)
        if wallet.state is not WalletState.FAILED_TO_SEND_FUNDS and wallet.state in SWEEPABLE:
            transitions.move_to_state(self.context, [wallet], WalletState.FAILED_TO_SEND_FUNDS)
