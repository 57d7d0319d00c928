"""What follows for a payment and its wallet from what the chain told: one table, for all four operations."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from solpay_pipeline.lifecycle.evidence.grounds import Decision, require
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.holdings import Holdings
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.terms import ACCEPTED, Payment, PaymentStatus


class Disposition(StrEnum):
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

    disposition: Disposition
    label: FindingCode | None = None


_DECIDES: Final = {
    Disposition.ACCEPT: Decision.ACCEPT,
    Disposition.WAIT: Decision.WAIT,
    Disposition.EXPIRE: Decision.EXPIRE,
    Disposition.CLOSE: Decision.EXPIRE,
    Disposition.EXPIRE_AND_HOLD: Decision.HOLD,
    Disposition.HOLD: Decision.HOLD,
}


def resolve(payment: Payment, holdings: Holdings, judgement: Judgement, chain_time: datetime) -> Resolution:
    """Decide by the chain's own time, which must be that of a block no newer than the reads behind `holdings`.

    A payment whose time is over by `chain_time` cannot be paid in time any more by a block that we have not
    seen, since block times do not run backwards. Raises `WeakEvidence` where the judgement rests on less than the
    decision may.
    """
    resolution = _resolved(payment, holdings, judgement, chain_time)
    decision = _DECIDES.get(resolution.disposition)
    if decision is not None:
        require(decision, judgement.evidence)
    return resolution


def _resolved(payment: Payment, holdings: Holdings, judgement: Judgement, chain_time: datetime) -> Resolution:
    if payment.status in ACCEPTED:
        return Resolution(Disposition.SWEEP)
    if judgement.standing is Standing.PAID:
        return Resolution(Disposition.ACCEPT)
    over = payment.status is PaymentStatus.EXPIRED or payment.expires_at < chain_time
    if not over:
        return Resolution(Disposition.WAIT)
    if judgement.standing is Standing.UNDATED:
        return Resolution(Disposition.SET_ASIDE, FindingCode.UNDATED)
    if holdings.unknown_of(payment.mints):
        return Resolution(Disposition.SET_ASIDE, FindingCode.MINT_UNREADABLE)
    expired_before = payment.status is PaymentStatus.EXPIRED
    if holdings.is_empty:
        return Resolution(Disposition.CLOSE if expired_before else Disposition.EXPIRE)
    return Resolution(Disposition.HOLD if expired_before else Disposition.EXPIRE_AND_HOLD, _label(judgement))


def _label(judgement: Judgement) -> FindingCode:
    match judgement.standing:
        case Standing.LATE:
            return FindingCode.LATE
        case Standing.SHORT:
            return FindingCode.SHORT
        case _:
            return FindingCode.UNEXPECTED
