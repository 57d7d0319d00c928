"""Sweep: every lamport and every token of accepted payments goes home, emptied accounts are closed on the way.

A wallet in a sweepable state whose payment was never accepted is judged first, as recheck would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import transactions
from solpay_pipeline.lifecycle.findings import Code, Finding
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.planning import plan_sweep
from solpay_pipeline.lifecycle.resolution import Step, resolve
from solpay_pipeline.lifecycle.terms import ACCEPTED, SWEEPABLE, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline.operations.looking.judging import unclear
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.looking.snapshots import Sight, judge_sights
from solpay_pipeline.operations.moving.execution import Job, Mover
from solpay_pipeline.operations.moving.receiver_accounts import Router
from solpay_pipeline.operations.moving.reconcile import Decision, work_through

_NOT_YET_SWEEPABLE = (WalletState.CREATED, WalletState.RECEIVED_FUNDS, WalletState.PAYMENT_EXPIRED)


async def sweep(errand: Errand) -> None:
    """Sweep all wallets that are to be swept."""
    states = set(SWEEPABLE)
    if errand.options.sweep_held_funds:
        states.add(WalletState.RECEIVED_FUNDS)
    sweeper = Sweeper.of(errand)
    for page in wallet_pages(errand, states=states):
        await sweeper.sweep(page)
    # A hand, or a shop of its own making, may accept a payment and leave its wallet as it was.
    for page in wallet_pages(errand, states=_NOT_YET_SWEEPABLE, payment_statuses=ACCEPTED):
        await sweeper.sweep(transitions.move_to_state(errand, page, WalletState.PROCESSING_PAYMENT))


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Sweeps wallets handed to it; also used by recheck for what it has just accepted."""

    errand: Errand
    mover: Mover
    router: Router

    @classmethod
    def of(cls, errand: Errand) -> "Sweeper":
        """A sweeper for one errand."""
        mover = Mover(errand, "sweep", WalletState.PROCESSING_FUNDS)
        return cls(errand, mover, Router(errand, mover))

    async def sweep(self, wallets: Sequence[Wallet]) -> None:
        """Bring wallets to rest."""
        await work_through(self.errand, wallets, self.mover, self._decide, self._give_up)

    async def _decide(self, sights: Sequence[Sight]) -> Decision:
        accepted = [sight for sight in sights if sight.payment.status in ACCEPTED]
        again, let_go = await self._judge([sight for sight in sights if sight.payment.status not in ACCEPTED])
        return Decision(tuple(await self._plan([*accepted, *let_go])), tuple(again))

    async def _plan(self, sights: Sequence[Sight]) -> list[Job]:
        sights = [sight for sight in sights if sight.wallet.state in SWEEPABLE | {WalletState.RECEIVED_FUNDS}]
        if not sights:
            return []
        route = await self.router.route(sights)
        jobs, at_rest = [], []
        for sight in sights:
            plan = plan_sweep(sight.wallet, sight.holdings, route)
            if plan.leg is not None:
                jobs.append(Job(sight.wallet, plan.leg))
            elif plan.findings:
                self._give_up(sight.wallet, *plan.findings)
            else:
                at_rest.append(sight)
        transitions.mark_swept(self.errand, await self._explained(at_rest))
        return jobs

    async def _explained(self, sights: Sequence[Sight]) -> list[Sight]:
        """Those of the empty wallets whose money went home by our own hand, or by another's that we can name."""
        if not sights:
            return []
        with reading(self.errand.merchant.engine) as connection:
            ours = transactions.gone_home(connection, [sight.wallet.id for sight in sights])
        return [sight for sight in sights if sight.wallet.id in ours or await self._went_home(sight)]

    async def _went_home(self, sight: Sight) -> bool:
        finding = await went_home(self.errand, sight)
        if finding.code is Code.FOREIGN_MOVEMENT:
            transitions.set_aside(self.errand, [finding])
            return True
        self._give_up(sight.wallet, finding)
        return False

    async def _judge(self, sights: Sequence[Sight]) -> tuple[list[Wallet], list[Sight]]:
        """Wallets of payments that nobody has accepted: those that turn out paid, and those whose held money may go.

        Also with `sweep_held_funds` every one is judged first: the peer expires what was paid in time.
        """
        paid: list[tuple[Sight, Judgement]] = []
        let_go: list[Sight] = []
        as_seen = {sight.wallet.id: sight for sight in sights}
        for sight, judged in await judge_sights(self.errand, sights):
            if isinstance(judged, Finding):
                transitions.set_aside(self.errand, [judged])
                continue
            resolution = resolve(sight.payment, sight.holdings, judged, self.errand.chain_time)
            match resolution.step:
                case Step.ACCEPT:
                    paid.append((sight, judged))
                case Step.WAIT if sight.holdings.is_empty:
                    changed = transitions.move_to_state(self.errand, [sight.wallet], WalletState.CREATED)
                    self.errand.tally.returned += len(changed)
                case Step.WAIT | Step.EXPIRE | Step.EXPIRE_AND_HOLD:
                    # Short, or its time is over: the one waits, the other is expire's to decide.
                    self.errand.tally.waiting += 1
                case Step.HOLD if self.errand.options.sweep_held_funds:
                    let_go.append(as_seen[sight.wallet.id])
                case Step.HOLD if resolution.label is not None:
                    transitions.hold(self.errand, sight, resolution.label)
                case Step.CLOSE:
                    self._leave_to_reclaim(sight)
                case _:
                    transitions.set_aside(self.errand, unclear(sight))
        return transitions.accept(self.errand, paid), let_go

    def _leave_to_reclaim(self, sight: Sight) -> None:
        """Expired and empty: swept before if the ledger says so, else its accounts are to be closed."""
        with reading(self.errand.merchant.engine) as connection:
            ours = transactions.gone_home(connection, [sight.wallet.id])
        if ours:
            transitions.mark_swept(self.errand, [sight])
        else:
            transitions.move_to_state(self.errand, [sight.wallet], WalletState.PAYMENT_EXPIRED)

    def _give_up(self, wallet: Wallet, *findings: Finding) -> None:
        transitions.set_aside(self.errand, findings)
        if wallet.state is not WalletState.FAILED_TO_SEND_FUNDS and wallet.state in SWEEPABLE:
            transitions.move_to_state(self.errand, [wallet], WalletState.FAILED_TO_SEND_FUNDS)
