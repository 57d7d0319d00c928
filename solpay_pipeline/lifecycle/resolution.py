"""What follows for a payment and its wallet from what the chain told: one table, for all four operations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from solpay_pipeline.lifecycle.findings import Code
from solpay_pipeline.lifecycle.holdings import Holdings
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.terms import ACCEPTED, Payment, PaymentStatus


class Step(StrEnum):
    """What is to be done with a payment now."""

    ACCEPT = "accept"
    """Paid in full and in time: accepted, however late anyone looks, an expired one as well."""
    SWEEP = "sweep"
    """Accepted before: its money goes home."""
    WAIT = "wait"
    """Not paid yet, and its time is not over."""
    EXPIRE = "expire"
    """Its time is over and nothing is there."""
    EXPIRE_AND_HOLD = "expire_and_hold"
    """Its time is over and something is there that does not pay it."""
    HOLD = "hold"
    """Expired before, and something is there."""
    CLOSE = "close"
    """Expired before, and nothing is there."""
    SET_ASIDE = "set_aside"
    """Nobody can say yet whether it was paid in time, or what its wallet holds."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A step, and the label for money that is held."""

    step: Step
    label: Code | None = None


def resolve(payment: Payment, holdings: Holdings, judgement: Judgement, chain_time: datetime) -> Resolution:
    """Decide by the chain's own time, which must be that of a block no newer than the reads behind `holdings`.

    A payment whose time is over by `chain_time` cannot be paid in time any more by a block that we have not
    seen, since block times do not run backwards.
    """
    if payment.status in ACCEPTED:
        return Resolution(Step.SWEEP)
    if judgement.standing is Standing.PAID:
        return Resolution(Step.ACCEPT)
    over = payment.status is PaymentStatus.EXPIRED or payment.expires_at < chain_time
    if not over:
        return Resolution(Step.WAIT)
    if judgement.standing is Standing.UNDATED:
        return Resolution(Step.SET_ASIDE, Code.UNDATED)
    if holdings.unreadable:
        return Resolution(Step.SET_ASIDE, Code.MINT_UNREADABLE)
    expired_before = payment.status is PaymentStatus.EXPIRED
    if holdings.is_empty:
        return Resolution(Step.CLOSE if expired_before else Step.EXPIRE)
    return Resolution(Step.HOLD if expired_before else Step.EXPIRE_AND_HOLD, _label(judgement))


def _label(judgement: Judgement) -> Code:
    match judgement.standing:
        case Standing.LATE:
            return Code.LATE
        case Standing.SHORT:
            return Code.SHORT
        case _:
            return Code.UNEXPECTED
