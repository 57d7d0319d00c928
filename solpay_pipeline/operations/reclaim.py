"""Reclaim: empty token accounts of expired payments are closed, their rent goes to the fee payer.

The chain decides. A wallet that turns out to hold money is judged first: paid in time, it is accepted; otherwise its
money is held. So is an empty one whose payment somebody else expired: the peer does so by the clock alone, also where
the money came in time and was sent on in a request that failed afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.planning import plan_close
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.judging import expired_by_others, judge_expired
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.moving.execution import LegJob, Mover
from solpay_pipeline.operations.moving.receiver_accounts import ReceiverAccounts
from solpay_pipeline.operations.moving.reconcile import RoundPlan, reconcile


async def reclaim(context: OperationContext) -> None:
    """Close the accounts of all wallets in `payment_expired`."""
    closer = Closer.of(context)
    for page in wallet_pages(context, states={WalletState.PAYMENT_EXPIRED}):
        await closer.close(page)


@dataclass(frozen=True, slots=True)
class Closer:
    """Closes wallets handed to it; also used by expire for what it has just expired."""

    context: OperationContext
    mover: Mover
    receiver_accounts: ReceiverAccounts
    judged: set[int] = field(default_factory=set)
    """Wallets in hand whose histories have been read, by us and now or when they expired."""

    @classmethod
    def of(cls, context: OperationContext) -> "Closer":
        """A closer for one errand."""
        mover = Mover(context, Purpose.RECLAIM, WalletState.PAYMENT_EXPIRED)
        return cls(context, mover, ReceiverAccounts(context, mover))

    async def close(self, wallets: Sequence[Wallet], *, are_judged: bool = False) -> None:
        """Bring wallets to rest; `are_judged` where their histories have just been read."""
        self.judged.clear()
        if are_judged:
            self.judged.update(wallet.id for wallet in wallets)
        await reconcile(self.context, wallets, self.mover, self._decide, self._give_up)

    async def _decide(self, snapshots: Sequence[Snapshot]) -> RoundPlan:
        snapshots = [
            snapshot for snapshot in snapshots if snapshot.wallet.state is WalletState.PAYMENT_EXPIRED
        ]
        self._reopen_live(
            [snapshot for snapshot in snapshots if snapshot.payment.status is not PaymentStatus.EXPIRED]
        )
        expired = [snapshot for snapshot in snapshots if snapshot.payment.status is PaymentStatus.EXPIRED]
        empty = [snapshot for snapshot in expired if snapshot.holdings.is_empty]
        strange = expired_by_others(
            self.context, [snapshot for snapshot in empty if snapshot.wallet.id not in self.judged]
        )
        self.judged.update(
            {snapshot.wallet.id for snapshot in empty} - {snapshot.wallet.id for snapshot in strange}
        )
        doubtful = strange + [snapshot for snapshot in expired if not snapshot.holdings.is_empty]
        self.judged.update(wallet.id for wallet in await judge_expired(self.context, doubtful))
        jobs = await self._plan([snapshot for snapshot in empty if snapshot.wallet.id in self.judged])
        return RoundPlan(tuple(jobs))

    async def _plan(self, snapshots: Sequence[Snapshot]) -> list[LegJob]:
        if not snapshots:
            return []
        route = (
            await self.receiver_accounts.route(snapshots)
            if any(snapshot.holdings.tokens for snapshot in snapshots)
            else None
        )
        jobs, gone = [], []
        for snapshot in snapshots:
            if route is None or not snapshot.holdings.tokens:
                gone.append(snapshot)
                continue
            plan = plan_close(snapshot.wallet, snapshot.holdings, route)
            if plan.findings:
                transitions.set_aside(self.context, plan.findings)
            if plan.leg is not None:
                jobs.append(LegJob(snapshot.wallet, plan.leg))
        transitions.mark_closed(self.context, gone)
        return jobs

    def _reopen_live(self, snapshots: Sequence[Snapshot]) -> None:
        """The peer marks wallets `payment_expired` whose payment is not: a live or an accepted one goes back."""
        live = [
            snapshot.wallet for snapshot in snapshots if snapshot.payment.status is PaymentStatus.INITIATED
        ]
        accepted = [snapshot.wallet for snapshot in snapshots if snapshot.payment.status in ACCEPTED]
        back = transitions.move_to_state(self.context, live, WalletState.CREATED)
        back += transitions.move_to_state(self.context, accepted, WalletState.PROCESSING_PAYMENT)
        self.context.tally.returned += len(back)

    def _give_up(self, wallet: Wallet, *findings: Finding) -> None:
        transitions.set_aside(self.context, findings)
