"""Reclaim: accounts of expired payments are closed, and only those."""

import asyncio
from dataclasses import replace

from solpay_pipeline.lifecycle.actions import CloseAccount
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.reclaim import reclaim
from solpay_pipeline_tests.operations.ground import BY_USDC, LIVE, PRICE, Scene, came, holds, scene, wallet


def expired(number: int = 1, *, status: PaymentStatus = PaymentStatus.EXPIRED) -> Wallet:
    return wallet(number, status=status, state=WalletState.PAYMENT_EXPIRED, options=(BY_USDC,))


def run(made: Scene) -> None:
    asyncio.run(reclaim(made.context))


def test_an_empty_account_is_closed_and_its_rent_goes_to_the_fee_payer() -> None:
    made = scene()
    one = expired()
    made.add(one, holds(one, usdc=0))
    made.records.expired_payments = {101}
    run(made)
    [close] = made.mover.moved[0].leg.actions
    assert isinstance(close, CloseAccount)
    assert close.rent_to == made.deployment.fee_payer.pubkey
    assert made.books.closed == [1]


def test_a_wallet_without_accounts_comes_to_rest_without_a_transaction() -> None:
    made = scene()
    made.add(expired())
    made.records.expired_payments = {101}
    run(made)
    assert made.books.closed == [1]
    assert not made.mover.rounds
    assert not [name for name, _ in made.chain.asked if name == "destinations"]


def test_what_somebody_else_expired_is_judged_before_it_is_closed() -> None:
    made = scene()
    paid, unpaid = expired(1), expired(2)
    paid = replace(paid, payment=replace(paid.payment, options=wallet().payment.options))  # type: ignore[type-var, union-attr]
    made.add(paid, holds(paid), came(PRICE))
    made.add(unpaid, holds(unpaid, usdc=0))
    run(made)
    assert made.books.accepted == [101]
    assert made.books.closed == [2]


def test_a_history_is_read_once_though_a_wallet_is_looked_at_in_several_rounds() -> None:
    made = scene()
    one = expired()
    made.add(one, holds(one, usdc=0))
    run(made)
    assert made.books.closed == [1]
    assert [name for name, _ in made.chain.asked].count("history") == 1


def test_a_wallet_that_holds_money_is_not_closed_but_held() -> None:
    made = scene()
    one = expired()
    made.add(one, holds(one, PRICE, usdc=0), came(PRICE, at=LIVE))
    made.records.expired_payments = {101}
    run(made)
    assert made.books.held == [(101, FindingCode.UNEXPECTED)] or made.books.held == [(101, FindingCode.LATE)]
    assert not made.mover.moved
    assert not made.books.closed


def test_a_wallet_whose_payment_is_live_or_accepted_is_opened_again() -> None:
    made = scene()
    live, accepted = expired(1, status=PaymentStatus.INITIATED), expired(2, status=PaymentStatus.CONFIRMED)
    made.add(live)
    made.add(accepted)
    run(made)
    assert made.books.states == [(1, WalletState.CREATED), (2, WalletState.PROCESSING_PAYMENT)]
    assert made.tally.returned == 2
    assert not made.books.closed
