"""Prices in base units, the mints of a payment, and which commitment is enough for which."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solpay_pipeline.lifecycle.actions import CloseAccount, HarvestWithheld, Leg, MoveLamports
from solpay_pipeline.lifecycle.findings import HELD, NOTICES, Finding, FindingCode
from solpay_pipeline.lifecycle.terms import Commitment, PaymentOption
from solpay_pipeline_tests.rooms.lifecycle.ground import (
    BY_SOL,
    BY_USDC,
    CLASSIC,
    OWNER,
    PYUSD,
    USDC,
    holds,
    payment,
    token,
)

PROCESSED, CONFIRMED, FINALIZED = Commitment


@settings(max_examples=60, deadline=None)
@given(st.decimals(0, 10**9, places=12), st.integers(0, 9))
def test_a_price_in_base_units_is_the_least_that_pays_it(price: Decimal, decimals: int) -> None:
    units = PaymentOption(1, USDC, price).base_units(decimals)
    exact = Fraction(price) * 10**decimals
    assert units - 1 < exact <= units


def test_the_mints_of_a_payment_are_those_of_its_options_without_sol() -> None:
    assert payment().mints == (USDC, PYUSD)
    assert payment(payment().status, BY_SOL).mints == ()
    assert payment(payment().status, BY_USDC).mints == (USDC,)


@pytest.mark.parametrize(
    ("asked", "enough"),
    [
        (PROCESSED, {PROCESSED, CONFIRMED, FINALIZED}),
        (CONFIRMED, {CONFIRMED, FINALIZED}),
        (FINALIZED, {FINALIZED}),
    ],
)
def test_a_commitment_is_reached_by_itself_and_whatever_is_more_settled(
    asked: Commitment, enough: set[Commitment]
) -> None:
    assert {seen for seen in Commitment if asked.reached_by(seen)} == enough


def test_a_wallet_is_empty_only_where_nothing_is_there_and_everything_could_be_read() -> None:
    assert holds().is_empty
    assert holds(0, token(), token()).is_empty
    assert not holds(1).is_empty
    assert not holds(0, token(), token(1)).is_empty
    assert not holds(0, unreadable={USDC: "no such mint"}).is_empty


def test_balances_are_summed_by_mint_and_leave_zeroes_out() -> None:
    assert holds().balances() == {}
    assert holds(4, token(1), token(2), token(0, PYUSD)).balances() == {None: 4, USDC: 3}
    assert holds(0, token(1), token(5, PYUSD)).balances() == {USDC: 1, PYUSD: 5}


def test_the_actions_of_a_leg_are_those_of_its_steps_in_order() -> None:
    move = MoveLamports(1, OWNER)
    harvest = HarvestWithheld(OWNER, USDC, CLASSIC, 1)
    close = CloseAccount(OWNER, CLASSIC, 1, OWNER)
    assert Leg(1, OWNER, ((move,), (harvest, close))).actions == (move, harvest, close)


@pytest.mark.parametrize("code", list(FindingCode))
def test_a_finding_stands_for_undone_work_unless_it_is_held_money_or_only_told(code: FindingCode) -> None:
    assert Finding(code, 1, 1, "").is_set_aside == (code not in HELD and code not in NOTICES)


def test_held_and_told_are_told_apart() -> None:
    assert not HELD & NOTICES
    assert {FindingCode.SHORT, FindingCode.LATE, FindingCode.UNEXPECTED} == HELD
    assert Finding(FindingCode.OVERPAID, 1, 1, "").is_set_aside is False
    assert Finding(FindingCode.FUNDS_ELSEWHERE, 1, 1, "").is_set_aside is True
