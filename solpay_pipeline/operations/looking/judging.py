"""What follows for payments whose time is over, or that expired before, and whose wallets hold something."""

from collections.abc import Sequence

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import outbox
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.resolution import Disposition, resolve
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline.operations.looking.snapshots import judge_snapshots


async def judge_expired(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Wallet]:
    """Accept what was paid in time, hold what was not, expire what is empty; returns the empty wallets of expired ones.

    A payment that cannot be judged is set aside and stays as it is. A wallet that is still `created` although its
    payment has expired, as the peer's own commands leave it, becomes `payment_expired` like the others.
    """
    empty: list[Snapshot] = []
    left_behind: list[Wallet] = []
    expired: list[Wallet] = []
    paid: list[tuple[Snapshot, Judgement]] = []
    moved_on: list[Snapshot] = []
    for snapshot, judged in await judge_snapshots(context, snapshots):
        if isinstance(judged, Finding):
            transitions.set_aside(context, [judged])
            continue
        resolution = resolve(snapshot.payment, snapshot.holdings, judged, context.chain_time)
        match resolution.disposition:
            case Disposition.ACCEPT:
                paid.append((snapshot, judged))
            case Disposition.EXPIRE:
                empty.append(snapshot)
                if judged.received:
                    moved_on.append(snapshot)
            case Disposition.HOLD | Disposition.EXPIRE_AND_HOLD if resolution.label is not None:
                transitions.hold(context, snapshot, resolution.label)
            case Disposition.SET_ASIDE:
                transitions.set_aside(context, unclear(snapshot))
            case Disposition.CLOSE if snapshot.wallet.state is WalletState.CREATED:
                left_behind.append(snapshot.wallet)
            case Disposition.CLOSE:
                expired.append(snapshot.wallet)
            case _:
                context.tally.waiting += 1
    transitions.accept(context, paid)
    for snapshot in moved_on:
        # It was too little, and somebody has moved it on: a person must know, whose it is now.
        transitions.set_aside(context, await went_home(context, snapshot))
    expired += transitions.expire(context, empty)
    return expired + transitions.move_to_state(context, left_behind, WalletState.PAYMENT_EXPIRED)


def expired_by_others(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Those whose payment we have not expired ourselves: the peer does it by the clock, without a look at the chain."""
    with reading(context.deployment.engine) as connection:
        ours = outbox.last_bodies(
            connection, EventKind.PAYMENT_EXPIRED, [snapshot.payment.id for snapshot in snapshots]
        )
    return [snapshot for snapshot in snapshots if snapshot.payment.id not in ours]


def unclear(snapshot: Snapshot) -> list[Finding]:
    """The findings for a payment of which nobody can say when it was made, or what its wallet holds."""
    wallet_id, payment_id = snapshot.wallet.id, snapshot.payment.id
    if snapshot.holdings.unreadable:
        return [
            Finding(FindingCode.MINT_UNREADABLE, wallet_id, payment_id, f"mint {mint}: {why}", mint)
            for mint, why in snapshot.holdings.unreadable.items()
        ]
    words = "the node does not tell when its transactions were made; it will be looked at again"
    return [Finding(FindingCode.UNDATED, wallet_id, payment_id, words)]
