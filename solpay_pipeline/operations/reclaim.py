"""Reclaim: empty token accounts of expired payments are closed, their rent goes to the fee payer.

The chain decides. A wallet that turns out to hold money is judged first: paid in time, it is accepted; otherwise its
money is held. So is an empty one whose payment somebody else expired: the peer does so by the clock alone, also where
the money came in time and was sent on in a request that failed afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.planning import plan_close, plan_close_empties
from solpay_pipeline.lifecycle.policy import EXPIRING
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import LegJob, Mover
from solpay_pipeline.operations.context.records import Wanted
from solpay_pipeline.operations.looking.own_addresses import with_own_address
from solpay_pipeline.operations.looking.pages import wallet_pages
from solpay_pipeline.operations.looking.resolutions import expired_by_others, judge_and_resolve
from solpay_pipeline.operations.moving.receiver_accounts import ReceiverAccounts
from solpay_pipeline.operations.moving.reconcile import RoundPlan, reconcile


async def reclaim(context: OperationContext) -> None:
    """Close the accounts of all wallets in `payment_expired`, and the empty ones of those whose money is held."""
    closer = Closer.of(context)
    for page in wallet_pages(context, Wanted({WalletState.PAYMENT_EXPIRED})):
        await closer.close(page)
    mover = context.new_mover(context, Purpose.RECLAIM, WalletState.RECEIVED_FUNDS)
    beside_held = _ClosingEmpties(context, mover, ReceiverAccounts(context, mover))
    for page in wallet_pages(context, Wanted({WalletState.RECEIVED_FUNDS}), is_counted=False):
        await reconcile(context, page, beside_held)


@dataclass(frozen=True, slots=True)
class Closer:
    """Closes wallets handed to it; also used by expire for what it has just expired."""

    context: OperationContext
    mover: Mover
    receiver_accounts: ReceiverAccounts

    @classmethod
    def of(cls, context: OperationContext) -> "Closer":
        """A closer for one operation."""
        mover = context.new_mover(context, Purpose.RECLAIM, WalletState.PAYMENT_EXPIRED)
        return cls(context, mover, ReceiverAccounts(context, mover))

    async def close(self, wallets: Sequence[Wallet], *, are_judged: bool = False) -> None:
        """Bring wallets to rest; `are_judged` where their histories have just been read."""
        judged = {wallet.id for wallet in wallets} if are_judged else set()
        closing = _Closing(self.context, self.mover, self.receiver_accounts, judged)
        await reconcile(self.context, wallets, closing)


@dataclass(frozen=True, slots=True)
class _ClosingEmpties:
    """Empty accounts of wallets whose money is held: one part does not keep the rent of the others."""

    context: OperationContext
    mover: Mover
    receiver_accounts: ReceiverAccounts

    async def plan(self, snapshots: Sequence[Snapshot]) -> RoundPlan:
        """See `Planner`. What is not worth its fee stays as it is, without a word."""
        held = [
            one
            for one in snapshots
            if one.wallet.state is WalletState.RECEIVED_FUNDS
            and any(token.is_empty and token.cannot_close is None for token in one.holdings.accounts)
        ]
        if not held:
            return RoundPlan()
        route = await self.receiver_accounts.route([])
        plans = [(one, plan_close_empties(one.wallet, one.holdings, route)) for one in held]
        return RoundPlan(tuple(LegJob(one.wallet, plan.leg) for one, plan in plans if plan.leg is not None))

    def give_up(self, wallet: Wallet, *findings: Finding) -> None:
        """See `Planner`; the wallet stays as it is for the next run."""
        self.context.books.note(findings)


@dataclass(slots=True)
class _Closing:
    """One call of `Closer.close`. `judged` are wallets, by id, whose histories we have read now or to expire them."""

    context: OperationContext
    mover: Mover
    receiver_accounts: ReceiverAccounts
    judged: set[int]

    async def plan(self, snapshots: Sequence[Snapshot]) -> RoundPlan:
        """See `Planner`."""
        snapshots = [one for one in snapshots if one.wallet.state is WalletState.PAYMENT_EXPIRED]
        self._reopen_live([one for one in snapshots if one.payment.status is not PaymentStatus.EXPIRED])
        expired = [one for one in snapshots if one.payment.status is PaymentStatus.EXPIRED]
        empty = [one for one in expired if one.holdings.is_empty]
        unjudged = [one for one in empty if one.wallet.id not in self.judged]
        strange = expired_by_others(self.context, unjudged)
        # The row may name another address by now, at which there is nothing.
        expired_by_us = [one for one in unjudged if one not in strange]
        self.judged.update(one.wallet.id for one in with_own_address(self.context, expired_by_us))
        doubtful = strange + [one for one in expired if not one.holdings.is_empty]
        resolved = await judge_and_resolve(self.context, doubtful, EXPIRING)
        self.judged.update(wallet.id for wallet in resolved.closable)
        jobs = await self._jobs([one for one in empty if one.wallet.id in self.judged])
        return RoundPlan(tuple(jobs))

    async def _jobs(self, snapshots: Sequence[Snapshot]) -> list[LegJob]:
        if not snapshots:
            return []
        route = (
            await self.receiver_accounts.route(snapshots)
            if any(one.holdings.accounts for one in snapshots)
            else None
        )
        jobs, gone = [], []
        for snapshot in snapshots:
            if route is None or not snapshot.holdings.accounts:
                gone.append(snapshot)
                continue
            plan = plan_close(snapshot.wallet, snapshot.holdings, route)
            if plan.findings:
                self.context.books.note(plan.findings)
            if plan.leg is not None:
                jobs.append(LegJob(snapshot.wallet, plan.leg))
            elif plan.is_at_rest:
                gone.append(snapshot)
        self.context.books.rest_closed(gone)
        return jobs

    def _reopen_live(self, snapshots: Sequence[Snapshot]) -> None:
        """The peer marks wallets `payment_expired` whose payment is not: a live or an accepted one goes back."""
        live = [one.wallet for one in snapshots if one.payment.status is PaymentStatus.INITIATED]
        accepted = [one.wallet for one in snapshots if one.payment.status in ACCEPTED]
        back = self.context.books.change_state(live, WalletState.CREATED)
        back += self.context.books.change_state(accepted, WalletState.PROCESSING_PAYMENT)
        self.context.tally.returned += len(back)

    def give_up(self, wallet: Wallet, *findings: Finding) -> None:
        """See `Planner`; the wallet stays as it is for the next run."""
        self.context.books.note(findings)
