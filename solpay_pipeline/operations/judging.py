"""What follows for payments whose time is over, or that expired before, and whose wallets hold something."""

from collections.abc import Sequence

from solpay_pipeline.lifecycle.reasons import Code, Finding
from solpay_pipeline.lifecycle.resolution import Step, resolve
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations import transitions
from solpay_pipeline.operations.errand import Errand
from solpay_pipeline.operations.survey import Sight, judge_sights


async def judge_expired(errand: Errand, sights: Sequence[Sight]) -> list[Wallet]:
    """Accept what was paid in time, hold what was not, expire what is empty; returns wallets now `payment_expired`.

    A payment that cannot be judged is set aside and stays as it is.
    """
    empty = []
    for sight, judged in await judge_sights(errand, sights):
        if isinstance(judged, Finding):
            transitions.set_aside(errand, [judged])
            continue
        resolution = resolve(sight.payment, sight.holdings, judged, errand.chain_time)
        match resolution.step:
            case Step.ACCEPT:
                transitions.accept(errand, sight, judged)
            case Step.EXPIRE:
                empty.append(sight)
            case Step.HOLD | Step.EXPIRE_AND_HOLD if resolution.label is not None:
                transitions.hold(errand, sight, resolution.label)
            case Step.SET_ASIDE:
                transitions.set_aside(errand, [undated(sight)])
            case _:
                errand.tally.waiting += 1
    return transitions.expire(errand, empty)


def undated(sight: Sight) -> Finding:
    """The finding for a payment of which nobody can say when it was made."""
    words = "the node does not tell when its transactions were made; it will be looked at again"
    return Finding(Code.UNDATED, sight.wallet.id, sight.payment.id, words)
