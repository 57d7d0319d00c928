"""Reclaim: empty token accounts of expired payments are closed, their rent goes to the fee payer.

The chain decides. A wallet that turns out to hold money is judged first: paid in time, it is accepted; otherwise its
money is held. So is an empty one whose payment somebody else expired: the peer does so by the clock alone, also where
the money came in time and was sent on in a request that failed afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.planning import plan_close
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.judging import expired_by_others, judge_expired
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.looking.snapshots import Sight
from solpay_pipeline.operations.moving.execution import Job, Mover
from solpay_pipeline.operations.moving.receiver_accounts import Router
from solpay_pipeline.operations.moving.reconcile import Decision, work_through


async def reclaim(errand: Errand) -> None:
    """Close the accounts of all wallets in `payment_expired`."""
    closer = Closer.of(errand)
    for page in wallet_pages(errand, states={WalletState.PAYMENT_EXPIRED}):
        await closer.close(page)


@dataclass(frozen=True, slots=True)
class Closer:
    """Closes wallets handed to it; also used by expire for what it has just expired."""

    errand: Errand
    mover: Mover
    router: Router
    judged: set[int] = field(default_factory=set)
    """Wallets in hand whose histories have been read, by us and now or when they expired."""

    @classmethod
    def of(cls, errand: Errand) -> "Closer":
        """A closer for one errand."""
        mover = Mover(errand, "reclaim", WalletState.PAYMENT_EXPIRED)
        return cls(errand, mover, Router(errand, mover))

    async def close(self, wallets: Sequence[Wallet], *, are_judged: bool = False) -> None:
        """Bring wallets to rest; `are_judged` where their histories have just been read."""
        self.judged.clear()
        if are_judged:
            self.judged.update(wallet.id for wallet in wallets)
        await work_through(self.errand, wallets, self.mover, self._decide, self._give_up)

    async def _decide(self, sights: Sequence[Sight]) -> Decision:
        sights = [sight for sight in sights if sight.wallet.state is WalletState.PAYMENT_EXPIRED]
        self._reopen_live([sight for sight in sights if sight.payment.status is not PaymentStatus.EXPIRED])
        expired = [sight for sight in sights if sight.payment.status is PaymentStatus.EXPIRED]
        empty = [sight for sight in expired if sight.holdings.is_empty]
        strange = expired_by_others(
            self.errand, [sight for sight in empty if sight.wallet.id not in self.judged]
        )
        self.judged.update({sight.wallet.id for sight in empty} - {sight.wallet.id for sight in strange})
        doubtful = strange + [sight for sight in expired if not sight.holdings.is_empty]
        self.judged.update(wallet.id for wallet in await judge_expired(self.errand, doubtful))
        jobs = await self._plan([sight for sight in empty if sight.wallet.id in self.judged])
        return Decision(tuple(jobs))

    async def _plan(self, sights: Sequence[Sight]) -> list[Job]:
        if not sights:
            return []
        route = await self.router.route(sights) if any(sight.holdings.tokens for sight in sights) else None
        jobs, gone = [], []
        for sight in sights:
            if route is None or not sight.holdings.tokens:
                gone.append(sight)
                continue
            plan = plan_close(sight.wallet, sight.holdings, route)
            if plan.findings:
                transitions.set_aside(self.errand, plan.findings)
            if plan.leg is not None:
                jobs.append(Job(sight.wallet, plan.leg))
        transitions.mark_closed(self.errand, gone)
        return jobs

    def _reopen_live(self, sights: Sequence[Sight]) -> None:
        """The peer marks wallets `payment_expired` whose payment is not: a live or an accepted one goes back."""
        live = [sight.wallet for sight in sights if sight.payment.status is PaymentStatus.INITIATED]
        accepted = [sight.wallet for sight in sights if sight.payment.status in ACCEPTED]
        back = transitions.move_to_state(self.errand, live, WalletState.CREATED)
        back += transitions.move_to_state(self.errand, accepted, WalletState.PROCESSING_PAYMENT)
        self.errand.tally.returned += len(back)

    def _give_up(self, wallet: Wallet, *findings: Finding) -> None:
        transitions.set_aside(self.errand, findings)
