"""What follows from a judgement: the whole table, so that a slip in one line of it cannot hide."""

import pytest

from solpay_pipeline.lifecycle.evidence.grounds import GROUNDS, Decision, Evidence, WeakEvidence
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.resolution import Disposition, Resolution, resolve
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus
from solpay_pipeline_tests.rooms.lifecycle.ground import EXPIRES, SECOND, USDC, holds, payment

INITIATED, EXPIRED = PaymentStatus.INITIATED, PaymentStatus.EXPIRED
EMPTY, SOMETHING, UNREADABLE = holds(), holds(1), holds(0, unreadable={USDC: "no such mint"})
OVER = EXPIRES + SECOND
LABELS = {
    Standing.UNPAID: FindingCode.UNEXPECTED,
    Standing.SHORT: FindingCode.SHORT,
    Standing.LATE: FindingCode.LATE,
}


@pytest.mark.parametrize("standing", list(Standing))
@pytest.mark.parametrize("status", sorted(ACCEPTED))
def test_what_was_accepted_is_swept_whatever_else_is_known(status: PaymentStatus, standing: Standing) -> None:
    for holdings in (EMPTY, SOMETHING, UNREADABLE):
        assert resolve(payment(status), holdings, Judgement(standing), OVER) == Resolution(Disposition.SWEEP)


@pytest.mark.parametrize("status", [INITIATED, EXPIRED])
@pytest.mark.parametrize("now", [EXPIRES - SECOND, OVER])
def test_what_was_paid_in_time_is_accepted_however_late_anyone_looks(status, now) -> None:
    for holdings in (EMPTY, SOMETHING, UNREADABLE):
        assert resolve(payment(status), holdings, Judgement(Standing.PAID), now) == Resolution(
            Disposition.ACCEPT
        )


@pytest.mark.parametrize("standing", [one for one in Standing if one is not Standing.PAID])
def test_until_its_last_moment_has_passed_an_unpaid_payment_waits(standing: Standing) -> None:
    for now in (EXPIRES - SECOND, EXPIRES):
        for holdings in (EMPTY, SOMETHING, UNREADABLE):
            assert resolve(payment(), holdings, Judgement(standing), now) == Resolution(Disposition.WAIT)


@pytest.mark.parametrize("status", [INITIATED, EXPIRED])
def test_what_cannot_be_dated_or_read_is_set_aside(status: PaymentStatus) -> None:
    undated = Judgement(Standing.UNDATED)
    for holdings in (EMPTY, SOMETHING, UNREADABLE):
        assert resolve(payment(status), holdings, undated, OVER) == Resolution(
            Disposition.SET_ASIDE, FindingCode.UNDATED
        )
    for standing in LABELS:
        assert resolve(payment(status), UNREADABLE, Judgement(standing), OVER) == Resolution(
            Disposition.SET_ASIDE, FindingCode.MINT_UNREADABLE
        )


@pytest.mark.parametrize("standing", LABELS)
def test_what_is_over_and_empty_expires_once_and_is_closed(standing: Standing) -> None:
    assert resolve(payment(), EMPTY, Judgement(standing), OVER) == Resolution(Disposition.EXPIRE)
    assert resolve(payment(EXPIRED), EMPTY, Judgement(standing), OVER) == Resolution(Disposition.CLOSE)


@pytest.mark.parametrize(("standing", "label"), LABELS.items())
def test_what_is_over_and_holds_something_is_held_with_its_label(
    standing: Standing, label: FindingCode
) -> None:
    judgement = Judgement(standing)
    assert resolve(payment(), SOMETHING, judgement, OVER) == Resolution(Disposition.EXPIRE_AND_HOLD, label)
    assert resolve(payment(EXPIRED), SOMETHING, judgement, OVER) == Resolution(Disposition.HOLD, label)


def test_a_payment_that_is_expired_is_over_whatever_the_clock_says() -> None:
    unpaid = Judgement(Standing.UNPAID)
    assert resolve(payment(EXPIRED), EMPTY, unpaid, EXPIRES - SECOND) == Resolution(Disposition.CLOSE)


@pytest.mark.parametrize(
    ("judgement", "holdings"),
    [
        (Judgement(Standing.UNPAID, evidence=Evidence.BALANCES), EMPTY),
        (Judgement(Standing.SHORT, evidence=Evidence.NEWEST), SOMETHING),
        (Judgement(Standing.LATE, evidence=Evidence.CROSSING), SOMETHING),
        (Judgement(Standing.PAID, evidence=Evidence.BALANCES), SOMETHING),
    ],
    ids=["expire by balances", "short by the newest", "late by a balance", "accept by balances"],
)
def test_a_decision_on_less_than_it_may_rest_on_is_refused(judgement, holdings):
    with pytest.raises(WeakEvidence):
        resolve(payment(), holdings, judgement, OVER)


def test_every_decision_has_its_ground_and_every_level_its_use():
    assert set(GROUNDS) == set(Decision)
    assert set().union(*(ground.levels for ground in GROUNDS.values())) == set(Evidence)
