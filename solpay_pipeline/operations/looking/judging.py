"""What follows for payments whose time is over, or that expired before, and whose wallets hold something."""

from collections.abc import Sequence

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import outbox
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.lifecycle.findings import Code, Finding
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.resolution import Step, resolve
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline.operations.looking.snapshots import Sight, judge_sights


async def judge_expired(errand: Errand, sights: Sequence[Sight]) -> list[Wallet]:
    """Accept what was paid in time, hold what was not, expire what is empty; returns the empty wallets of expired ones.

    A payment that cannot be judged is set aside and stays as it is. A wallet that is still `created` although its
    payment has expired, as the peer's own commands leave it, becomes `payment_expired` like the others.
    """
    empty: list[Sight] = []
    left_behind: list[Wallet] = []
    expired: list[Wallet] = []
    paid: list[tuple[Sight, Judgement]] = []
    moved_on: list[Sight] = []
    for sight, judged in await judge_sights(errand, sights):
        if isinstance(judged, Finding):
            transitions.set_aside(errand, [judged])
            continue
        resolution = resolve(sight.payment, sight.holdings, judged, errand.chain_time)
        match resolution.step:
            case Step.ACCEPT:
                paid.append((sight, judged))
            case Step.EXPIRE:
                empty.append(sight)
                if judged.received:
                    moved_on.append(sight)
            case Step.HOLD | Step.EXPIRE_AND_HOLD if resolution.label is not None:
                transitions.hold(errand, sight, resolution.label)
            case Step.SET_ASIDE:
                transitions.set_aside(errand, unclear(sight))
            case Step.CLOSE if sight.wallet.state is WalletState.CREATED:
                left_behind.append(sight.wallet)
            case Step.CLOSE:
                expired.append(sight.wallet)
            case _:
                errand.tally.waiting += 1
    transitions.accept(errand, paid)
    for sight in moved_on:
        # It was too little, and somebody has moved it on: a person must know, whose it is now.
        transitions.set_aside(errand, [await went_home(errand, sight)])
    expired += transitions.expire(errand, empty)
    return expired + transitions.move_to_state(errand, left_behind, WalletState.PAYMENT_EXPIRED)


def expired_by_others(errand: Errand, sights: Sequence[Sight]) -> list[Sight]:
    """Those whose payment we have not expired ourselves: the peer does it by the clock, without a look at the chain."""
    with reading(errand.merchant.engine) as connection:
        ours = outbox.last_bodies(
            connection, EventKind.PAYMENT_EXPIRED, [sight.payment.id for sight in sights]
        )
    return [sight for sight in sights if sight.payment.id not in ours]


def unclear(sight: Sight) -> list[Finding]:
    """The findings for a payment of which nobody can say when it was made, or what its wallet holds."""
    wallet_id, payment_id = sight.wallet.id, sight.payment.id
    if sight.holdings.unreadable:
        return [
            Finding(Code.MINT_UNREADABLE, wallet_id, payment_id, f"mint {mint}: {why}", mint)
            for mint, why in sight.holdings.unreadable.items()
        ]
    words = "the node does not tell when its transactions were made; it will be looked at again"
    return [Finding(Code.UNDATED, wallet_id, payment_id, words)]
