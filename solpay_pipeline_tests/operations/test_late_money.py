"""Money that comes when everything seemed over is found, and belongs to somebody."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from solpay_pipeline.lifecycle.findings import HELD, FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.late_money import look_for_late_money
from solpay_pipeline_tests.operations.ground import (
    BY_USDC,
    LIVE,
    NOW,
    PRICE,
    Scene,
    came,
    holds,
    scene,
    wallet,
)

GONE = {"status": PaymentStatus.EXPIRED, "state": WalletState.CLOSED}


def run(made: Scene) -> None:
    asyncio.run(look_for_late_money(made.context))


def test_what_came_to_a_closed_wallet_is_held() -> None:
    made = scene()
    one = wallet(**GONE)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert made.books.held == [(101, FindingCode.LATE)]


def test_nothing_is_looked_at_where_no_days_of_watching_are_set() -> None:
    made = scene(options=Options(watch_days=0))
    one = wallet(**GONE)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert made.books.is_untouched
    assert not made.chain.asked


def test_a_wallet_that_was_just_looked_at_is_not_read_again() -> None:
    made = scene()
    one = wallet(**GONE)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    made.records.just_looked_at = {one.id}
    run(made)
    assert made.books.is_untouched
    assert not made.chain.asked


def test_money_is_found_however_long_the_payment_has_been_over() -> None:
    made = scene()
    one = wallet(expires=NOW - timedelta(days=800), **GONE)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert made.books.held == [(101, FindingCode.LATE)]
    assert made.books.watched == [one.id]


def test_token_accounts_that_others_left_open_are_closed_where_their_rent_is_worth_the_fee() -> None:
    made = scene()
    worth, not_worth = (
        wallet(number, status=PaymentStatus.CONFIRMED, state=WalletState.SENT_FUNDS) for number in (1, 2)
    )
    made.add(worth, holds(worth, usdc=0))
    poor = holds(not_worth, usdc=0)
    made.add(not_worth, replace(poor, tokens=tuple(replace(one, lamports=100) for one in poor.tokens)))
    run(made)
    assert made.books.states == [(worth.id, WalletState.PROCESSING_PAYMENT)]


def test_what_this_run_has_reported_on_is_not_looked_at_twice() -> None:
    made = scene()
    one = wallet(**GONE)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    made.records.reported_payments = {101}
    run(made)
    assert made.books.is_untouched


def test_an_empty_wallet_that_the_peer_closed_is_judged_though_nothing_is_there() -> None:
    made = scene()
    one = wallet(**GONE)  # type: ignore[arg-type]
    made.add(one, holds(one), came(PRICE))
    run(made)
    assert made.books.accepted == [101]


def test_a_customer_who_paid_twice_makes_the_wallet_sweepable_again() -> None:
    made = scene()
    one = wallet(status=PaymentStatus.CONFIRMED, state=WalletState.SENT_FUNDS)
    made.add(one, holds(one, PRICE))
    run(made)
    assert made.books.states == [(1, WalletState.PROCESSING_PAYMENT)]
    assert made.tally.returned == 1


def test_held_money_that_somebody_has_moved_ends_its_findings_and_leaves_a_wallet_to_close() -> None:
    made = scene()
    made.add(wallet(status=PaymentStatus.EXPIRED, state=WalletState.RECEIVED_FUNDS))
    made.records.expired_payments = {101}
    run(made)
    assert made.books.states == [(1, WalletState.PAYMENT_EXPIRED)]
    assert made.books.ended == [(1, HELD)]


def test_a_wallet_called_closed_whose_accounts_are_open_is_closed_by_reclaim() -> None:
    made = scene()
    one = wallet(options=(BY_USDC,), **GONE)  # type: ignore[arg-type]
    made.add(one, holds(one, usdc=0))
    made.records.expired_payments = {101}
    run(made)
    assert made.books.states == [(1, WalletState.PAYMENT_EXPIRED)]


def test_a_wallet_that_we_swept_and_the_peer_called_closed_is_swept_again_and_no_other() -> None:
    made = scene()
    for number in (1, 2):
        made.add(wallet(number, status=PaymentStatus.CONFIRMED, state=WalletState.CLOSED))
    made.records.home_ids = {2}
    run(made)
    assert made.books.states == [(2, WalletState.PROCESSING_PAYMENT)]
