"""Sweep: the money of accepted payments goes home, and nobody else's does."""

import asyncio

import pytest

from solpay_pipeline.ledger.tables import FollowState
from solpay_pipeline.lifecycle.actions import CloseAccount, MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.context.mover import LegOutcome
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.sweep import sweep
from solpay_pipeline_tests.operations.ground import (
    BY_USDC,
    FULL,
    LIVE,
    PRICE,
    RENT,
    USDC,
    Scene,
    accepted,
    came,
    holds,
    payment_of,
    scene,
    stolen,
    wallet,
    went_home,
)

ACCEPTED = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}


def run(made: Scene) -> None:
    asyncio.run(sweep(made.context))


# -- money goes home ------------------------------------------------------------------------------------------------


def test_all_lamports_and_tokens_go_to_the_receiver_and_the_rent_to_the_fee_payer() -> None:
    made = scene()
    one = wallet(options=(BY_USDC,), **ACCEPTED)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE, usdc=FULL))
    made.records.home_ids = {1}
    run(made)
    actions = made.mover.moved[0].leg.actions
    [lamports] = [one for one in actions if isinstance(one, MoveLamports)]
    [tokens] = [one for one in actions if isinstance(one, MoveTokens)]
    [close] = [one for one in actions if isinstance(one, CloseAccount)]
    assert (lamports.lamports, lamports.destination) == (PRICE, made.deployment.receiver)
    assert (tokens.mint, tokens.amount) == (USDC.address, FULL)
    assert (close.lamports, close.rent_to) == (RENT, made.deployment.fee_payer.pubkey)


def test_a_wallet_is_called_swept_only_once_it_was_seen_empty_after_the_move() -> None:
    made = scene()
    one = wallet(**ACCEPTED)  # type: ignore[arg-type]
    made.add(one, holds(one, PRICE))
    made.mover.outcomes = {1: [LegOutcome.IN_FLIGHT]}
    run(made)
    assert not made.books.swept
    made.records.home_ids = {1}
    run(made)
    assert made.books.swept == [1]


def test_an_accepted_payment_whose_wallet_was_left_as_it_was_is_swept_too() -> None:
    made = scene()
    one = wallet(status=PaymentStatus.CONFIRMED, state=WalletState.CREATED)
    made.add(one, holds(one, PRICE))
    run(made)
    assert made.books.states[0] == (1, WalletState.PROCESSING_PAYMENT)
    assert [job.wallet.id for job in made.mover.moved] == [1]


def test_without_a_receiver_that_is_allowed_no_money_moves_and_empty_accounts_are_closed() -> None:
    made = scene(obstacle="it is not allowed")
    full, empty = (wallet(number, options=(BY_USDC,), **ACCEPTED) for number in (1, 2))  # type: ignore[arg-type]
    made.add(full, holds(full, PRICE, usdc=FULL))
    made.add(empty, holds(empty, usdc=0))
    made.records.home_ids = {2}
    run(made)
    assert [(job.wallet.id, *map(type, job.leg.actions)) for job in made.mover.moved] == [(2, CloseAccount)]
    assert (made.books.swept, made.books.codes, made.tally.kept_back) == ([2], [], 1)


# -- money that is not there ----------------------------------------------------------------------------------------


def test_an_empty_wallet_that_others_swept_to_the_receiver_is_swept_and_reported() -> None:
    made = scene()
    one = wallet(**ACCEPTED)  # type: ignore[arg-type]
    made.add(one, holds(one), came(PRICE), went_home(PRICE, made.deployment.receiver))
    run(made)
    assert made.books.swept == [1]
    assert made.books.codes == [(1, FindingCode.FOREIGN_MOVEMENT)]


def test_an_empty_wallet_whose_money_went_elsewhere_is_set_aside_and_not_called_swept() -> None:
    made = scene()
    one = wallet(**ACCEPTED)  # type: ignore[arg-type]
    made.add(one, holds(one), came(PRICE), stolen(PRICE, USDC.address))
    run(made)
    assert not made.books.swept
    assert made.books.codes == [(1, FindingCode.FUNDS_ELSEWHERE)]
    assert made.books.states == [(1, WalletState.FAILED_TO_SEND_FUNDS)]


def test_a_wallet_that_cannot_be_moved_is_set_aside_and_the_others_go_home() -> None:
    made = scene()
    stuck, fine = (wallet(number, **ACCEPTED) for number in (1, 2))  # type: ignore[arg-type]
    for one in (stuck, fine):
        made.add(one, holds(one, PRICE))
    made.records.home_ids = {2}
    made.mover.outcomes = {1: [LegOutcome.SET_ASIDE]}
    run(made)
    assert made.books.swept == [2]
    assert made.books.states == [(1, WalletState.FAILED_TO_SEND_FUNDS)]


# -- payments that nobody has accepted --------------------------------------------------------------------------------


def test_a_payment_that_turns_out_paid_is_accepted_first_and_then_swept() -> None:
    made = scene()
    one = wallet(state=WalletState.PROCESSING_PAYMENT, expires=LIVE)
    made.add(one, holds(one, PRICE), came(PRICE))
    run(made)
    assert made.books.accepted == [101]
    assert [job.wallet.id for job in made.mover.moved] == [1]


def test_a_short_payment_whose_time_runs_is_left_alone() -> None:
    made = scene()
    one = wallet(state=WalletState.PROCESSING_PAYMENT, expires=LIVE)
    made.add(one, holds(one, PRICE // 2), came(PRICE // 2))
    run(made)
    assert made.books.is_untouched
    assert not made.mover.moved
    assert made.tally.waiting == 1


def test_an_empty_wallet_of_a_live_payment_goes_back_to_created() -> None:
    made = scene()
    made.add(wallet(state=WalletState.PROCESSING_PAYMENT, expires=LIVE))
    run(made)
    assert made.books.states == [(1, WalletState.CREATED)]
    assert made.tally.returned == 1


def test_expiring_is_left_to_expire() -> None:
    made = scene()
    made.add(wallet(state=WalletState.PROCESSING_PAYMENT))
    run(made)
    assert made.books.is_untouched
    assert made.tally.waiting == 1


@pytest.mark.parametrize("let_go", [False, True])
def test_money_of_an_expired_payment_is_held_until_an_operator_lets_it_go(let_go: bool) -> None:
    made = scene(options=Options(sweep_held_funds=let_go))
    one = wallet(status=PaymentStatus.EXPIRED, state=WalletState.PROCESSING_FUNDS)
    made.add(one, holds(one, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert bool(made.mover.moved) is let_go
    assert bool(made.books.held) is not let_go


def test_held_money_that_was_paid_in_time_is_accepted_rather_than_let_go() -> None:
    made = scene(options=Options(sweep_held_funds=True))
    one = wallet(status=PaymentStatus.EXPIRED, state=WalletState.RECEIVED_FUNDS)
    made.add(one, holds(one, PRICE), came(PRICE))
    run(made)
    assert made.books.accepted == [101]


@pytest.mark.parametrize("ours", [True, False])
def test_an_empty_wallet_of_an_expired_payment_is_at_rest_or_left_to_reclaim(ours: bool) -> None:
    made = scene()
    made.add(wallet(status=PaymentStatus.EXPIRED, state=WalletState.PROCESSING_FUNDS))
    made.records.home_ids = {1} if ours else set()
    run(made)
    assert made.books.swept == ([1] if ours else [])
    assert made.books.states == ([] if ours else [(1, WalletState.PAYMENT_EXPIRED)])


def test_what_a_fork_may_have_taken_waits_without_a_word() -> None:
    """Its wallet is empty, and no history tells why."""
    made = scene()
    one = made.add(accepted())
    made.records.not_final[payment_of(one).address] = FollowState.OPEN
    run(made)
    assert (made.books.findings, made.books.swept, made.tally.waiting) == ([], [], 1)


def test_beside_what_a_fork_has_taken_back_nothing_is_swept() -> None:
    made = scene()
    one = accepted()
    made.add(one, holds(one, PRICE // 2))
    made.records.not_final[payment_of(one).address] = FollowState.REVERTED
    run(made)
    assert (made.mover.moved, made.books.findings, made.books.swept) == ([], [], [])
