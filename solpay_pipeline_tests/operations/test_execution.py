"""Legs are packed, signed for and carried out; each wallet gets its result."""

import asyncio
from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.lifecycle.actions import CloseAccount, Leg
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline.operations.changes.planned_books import PlannedBooks
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome, Opening
from solpay_pipeline.operations.moving.execution import PlanningMover
from solpay_pipeline_tests.operations.ground import (
    IN_FLIGHT,
    KEYS,
    PRICE,
    RENT,
    SLOT,
    USDC,
    accepted,
    job,
    moved,
    outcomes,
    payment_of,
    scene,
)

BUSY, DUPLICATE = Recording(Recorded.BUSY), Recording(Recorded.DUPLICATE)
OVER_LIMIT = Recording(Recorded.OVER_LIMIT, LimitReached("max_spent_per_day", "it would be too much"))


def test_wallets_share_a_transaction_and_land_in_it() -> None:
    made = scene()
    jobs = [job(made, accepted(number)) for number in (1, 2, 3)]
    results = moved(made, *jobs)
    assert outcomes(results) == [(number, LegOutcome.LANDED) for number in (1, 2, 3)]
    assert {one.wallet.state for one in results} == {IN_FLIGHT}
    assert {one.slot for one in results} == {SLOT + 2}
    assert len(made.rpc.sent) == len(made.journal.recorded) == 1


def test_a_wallet_that_goes_alone_has_a_transaction_of_its_own() -> None:
    made = scene()
    moved(made, *(job(made, accepted(number)) for number in (1, 2, 3)), alone={2})
    assert sorted([leg.wallet_id for leg in one.legs] for one in made.journal.recorded) == [[1, 3], [2]]


@pytest.mark.parametrize("why", ["busy", "gone"])
def test_a_wallet_that_is_busy_or_gone_is_skipped_before_anything_is_signed(why: str) -> None:
    made = scene()
    one = job(made, accepted())
    if why == "busy":
        made.records.busy_ids = {1}
    else:
        made.records.sealed.clear()
    assert outcomes(moved(made, one)) == [(1, LegOutcome.SKIPPED)]
    assert not made.journal.attempts


def test_a_key_that_cannot_be_opened_or_is_anothers_sets_its_wallet_aside_and_the_others_go() -> None:
    made = scene()
    unreadable, mismatched, fine = (accepted(number) for number in (1, 2, 3))
    jobs = [job(made, one) for one in (unreadable, mismatched, fine)]
    made.records.sealed[1] = replace(made.records.sealed[1], content="not a token")
    made.records.sealed[2] = replace(
        made.records.sealed[2], content=made.deployment.vault.seal(KEYS[payment_of(fine).address])
    )
    results = moved(made, *jobs)
    codes = {one.wallet.id: one.finding.code for one in results if one.finding}
    assert codes == {1: FindingCode.KEY_UNREADABLE, 2: FindingCode.KEY_MISMATCH}
    assert outcomes(results)[2] == (3, LegOutcome.LANDED)


def test_a_pace_is_kept_by_fewer_transactions_under_one_blockhash() -> None:
    made = scene()
    made.rpc.seconds_apart = 10.0
    moved(made, *(job(made, accepted(number)) for number in range(1, 6)), alone=set(range(1, 6)))
    assert made.rpc.calls["latest_blockhash"] == 3


def test_a_dry_run_counts_transactions_and_amounts_and_opens_no_key() -> None:
    made = scene()
    planned = PlannedBooks(PaymentStatus.CONFIRMED)
    mover = PlanningMover(planned, made.context, "sweep", IN_FLIGHT)
    jobs = [job(made, accepted(number)) for number in (1, 2)]
    close = CloseAccount(Pubkey.new_unique(), USDC.program, RENT, made.deployment.fee_payer.pubkey)
    three = accepted(3)
    jobs.append(LegJob(three, Leg(3, payment_of(three).address, ((close,),))))
    made.records.sealed.clear()
    assert asyncio.run(mover.move(jobs, alone=())) == []
    opening = Opening(USDC, Pubkey.new_unique(), 165)
    assert asyncio.run(mover.open_accounts([opening])) == {}
    assert (planned.transactions, planned.amounts) == (1, {None: 2 * PRICE})
    assert not made.rpc.calls
    assert not made.journal.attempts
