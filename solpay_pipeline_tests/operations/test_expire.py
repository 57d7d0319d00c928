"""Expire: what becomes of payments whose time is over, by what the chain shows of their wallets."""

import asyncio
from dataclasses import replace

from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.expire import expire
from solpay_pipeline_tests.operations.ground import BY_USDC, LIVE, PRICE, Scene, came, holds, scene, wallet


def expiry(**options: object) -> Scene:
    return scene(operation="expire", options=Options(watch_days=0, **options))  # type: ignore[arg-type]


def run(made: Scene) -> None:
    asyncio.run(expire(made.context))


# -- the customer who paid ------------------------------------------------------------------------------------------


def test_a_payment_made_in_full_and_in_time_is_accepted_however_late_anyone_looks() -> None:
    made = expiry()
    one = wallet()
    made.add(one, holds(one, PRICE), came(PRICE))
    run(made)
    assert made.books.accepted == [101]
    assert not made.books.expired
    assert not made.books.held


def test_money_that_was_too_little_is_held_as_short_and_the_payment_is_not_credited() -> None:
    made = expiry()
    one = wallet()
    made.add(one, holds(one, PRICE - 1), came(PRICE - 1))
    run(made)
    assert made.books.held == [(101, FindingCode.SHORT)]
    assert not made.books.accepted


def test_money_that_came_after_the_time_is_held_as_late() -> None:
    made = expiry()
    one = wallet()
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert made.books.held == [(101, FindingCode.LATE)]


def test_money_that_was_too_little_and_has_moved_on_is_reported_and_the_payment_expires() -> None:
    made = expiry()
    one = wallet()
    made.add(one, holds(one), came(PRICE - 1))
    run(made)
    assert made.books.expired == [101]
    assert made.books.codes == [(1, FindingCode.FUNDS_ELSEWHERE)]


# -- the customer who did not ---------------------------------------------------------------------------------------


def test_a_payment_that_nobody_paid_expires_and_its_open_account_is_closed() -> None:
    made = expiry()
    one = wallet(options=(BY_USDC,))
    made.add(one, holds(one, usdc=0))
    run(made)
    assert made.books.expired == [101]
    assert [job.wallet.id for job in made.mover.moved] == [1]
    assert made.books.closed == [1], "seen gone after the move, not before"


def test_without_closing_the_accounts_are_left_to_reclaim() -> None:
    made = expiry(close_wallets=False)
    one = wallet(options=(BY_USDC,))
    made.add(one, holds(one, usdc=0))
    run(made)
    assert made.books.expired == [101]
    assert not made.mover.moved
    assert not made.books.closed


def test_an_empty_wallet_as_created_costs_no_history_where_none_is_asked_for() -> None:
    made = expiry(check_history=False)
    one = wallet()
    made.add(one)
    run(made)
    assert made.books.expired_and_closed == [101]
    assert not [name for name, _ in made.chain.asked if "history" in name]


def test_by_default_the_history_is_read_before_anything_expires() -> None:
    made = expiry()
    one = wallet()
    made.add(one, holds(one), came(PRICE))
    run(made)
    assert made.books.accepted == [101], "the money has moved on, the payment was made"


def test_a_wallet_read_at_another_commitment_than_it_rests_at_is_not_closed_in_the_same_step() -> None:
    made = expiry(check_history=False)
    made = replace_commitments(made)
    one = wallet()
    made.add(one)
    run(made)
    assert not made.books.expired_and_closed
    assert made.books.expired == [101]


def replace_commitments(made: Scene) -> Scene:
    deployment = replace(made.deployment, commitment=Commitment.FINALIZED)
    made.context = replace(made.context, deployment=deployment)
    return made


def test_a_payment_whose_time_is_not_over_by_the_chains_clock_is_left_alone() -> None:
    made = expiry()
    made.add(wallet(expires=LIVE))
    run(made)
    assert made.books.is_untouched


def test_a_wallet_in_flight_is_left_to_the_ledger() -> None:
    made = expiry()
    made.add(wallet())
    made.records.busy_ids = {1}
    run(made)
    assert made.books.is_untouched
    assert made.tally.in_flight == 1


def test_what_the_peer_expired_without_a_look_is_looked_at() -> None:
    made = expiry()
    one = wallet(status=PaymentStatus.EXPIRED)
    made.add(one, holds(one, PRICE), came(PRICE))
    two = wallet(2, status=PaymentStatus.EXPIRED)
    made.add(two)
    run(made)
    assert made.books.accepted == [101]
    assert made.books.states == [(2, WalletState.PAYMENT_EXPIRED)]


def test_money_that_came_late_to_a_finished_wallet_is_looked_for_in_the_same_run() -> None:
    made = scene(operation="expire", options=Options(watch_days=7))
    one = wallet(status=PaymentStatus.EXPIRED, state=WalletState.CLOSED)
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert made.books.held == [(101, FindingCode.LATE)]


def test_a_payment_that_the_shop_gave_more_time_meanwhile_is_not_closed() -> None:
    made = expiry()
    one = wallet(options=(BY_USDC,))
    made.add(one, holds(one, usdc=0))
    made.books.moved = {101}
    run(made)
    assert not made.books.expired
    assert not made.mover.moved
