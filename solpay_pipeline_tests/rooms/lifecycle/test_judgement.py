"""Paid, short, late, undated or not at all: what the history of a wallet says."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solpay_pipeline.lifecycle.evidence.statement import Entry
from solpay_pipeline.lifecycle.judgement import EXACT, Judgement, Standing, Tolerance, covers, judge
from solpay_pipeline.lifecycle.terms import PaymentStatus
from solpay_pipeline_tests.rooms.lifecycle.ground import (
    BY_PYUSD,
    BY_SOL,
    BY_USDC,
    DECIMALS,
    EXPIRES,
    IN_TIME,
    LATE,
    PRICE,
    PYUSD,
    SOL,
    USDC,
    came,
    payment,
)


def judged(*flows: Entry, tolerance: Tolerance = EXACT) -> Judgement:
    return judge(payment(), flows, DECIMALS, tolerance)


@pytest.mark.parametrize(
    ("tolerance", "price", "least"),
    [
        (EXACT, 1_000, 1_000),
        (Tolerance(base_units=10, asset=USDC), 1_000, 990),
        (Tolerance(base_units=10, asset=PYUSD), 1_000, 1_000),
        (Tolerance(base_units=10), 1_000, 1_000),
        (Tolerance(percent=Decimal(1)), 1_000, 990),
        (Tolerance(percent=Decimal("0.5")), 999, 995),
        (Tolerance(base_units=1_000, asset=USDC), 1_000, 950),
        (Tolerance(percent=Decimal(50)), 1_000, 950),
        (EXACT, 0, 1),
        (EXACT, 1, 1),
        (EXACT, 2, 2),
    ],
)
def test_a_tolerance_is_of_one_asset_and_never_more_than_a_share_and_nothing_is_never_enough(
    tolerance: Tolerance, price: int, least: int
) -> None:
    assert tolerance.least(price, USDC) == least


def test_nothing_that_came_is_unpaid_whatever_left() -> None:
    assert judged() == Judgement(Standing.UNPAID)
    assert judged(came(-5), came(0)) == Judgement(Standing.UNPAID)


@pytest.mark.parametrize(
    ("mint", "price", "option"), [(None, SOL, BY_SOL), (USDC, PRICE, BY_USDC), (PYUSD, PRICE, BY_PYUSD)]
)
def test_the_price_in_one_of_the_tokens_pays_and_one_unit_less_does_not(mint, price, option) -> None:
    assert judged(came(price, mint, signature="it")) == Judgement(
        Standing.PAID, option, "it", IN_TIME, {mint: price}, {}
    )
    assert judged(came(price - 1, mint)) == Judgement(Standing.SHORT, received={mint: price - 1})


def test_the_price_less_the_tolerance_pays() -> None:
    lenient = Tolerance(base_units=2, asset=USDC)
    assert judged(came(PRICE - 2, USDC), tolerance=lenient).standing is Standing.PAID
    assert judged(came(PRICE - 3, USDC), tolerance=lenient).standing is Standing.SHORT


def test_transfers_of_one_token_add_up_and_the_completing_one_is_named() -> None:
    first, second, third = (
        came(2_000_000, USDC, slot=1),
        came(3_000_000, USDC, slot=2, at=EXPIRES),
        came(1, USDC, slot=3, at=LATE),
    )
    for flows in ((first, second, third), (third, second, first)):
        found = judged(*flows)
        assert (found.standing, found.signature, found.paid_at) == (Standing.PAID, "in slot 2", EXPIRES)
        assert (found.received, found.surplus) == ({USDC: 5_000_001}, {USDC: 1})


def test_two_tokens_do_not_add_up() -> None:
    half = PRICE // 2 + 1
    found = judged(came(half, USDC), came(half, PYUSD, slot=2))
    assert (found.standing, found.option) == (Standing.SHORT, None)
    assert found.received == {USDC: half, PYUSD: half}


def test_what_left_again_still_counts() -> None:
    found = judged(came(PRICE, USDC), came(-PRICE, USDC, slot=2))
    assert (found.standing, found.received, found.surplus) == (Standing.PAID, {USDC: PRICE}, {})


def test_the_last_moment_is_in_time_and_the_next_is_late() -> None:
    assert judged(came(SOL, at=EXPIRES)).standing is Standing.PAID
    late = judged(came(SOL, at=LATE))
    assert (late.standing, late.option, late.paid_at) == (Standing.LATE, BY_SOL, LATE)


def test_a_completion_without_a_time_is_undated() -> None:
    found = judged(came(SOL, at=None))
    assert (found.standing, found.signature, found.paid_at) == (Standing.UNDATED, "in slot 1", None)


def test_what_is_short_began_in_time_and_what_is_late_did_not() -> None:
    assert judged(came(1, USDC, at=IN_TIME), came(1, USDC, slot=2, at=LATE)).standing is Standing.SHORT
    assert judged(came(1, USDC, at=LATE)).standing is Standing.LATE
    assert judged(came(1, USDC, at=EXPIRES)).standing is Standing.SHORT
    assert judged(came(1, USDC, at=None)).standing is Standing.SHORT


def test_of_two_complete_options_the_one_in_time_wins_then_the_undated_then_the_first() -> None:
    paid, undated, late = (
        came(PRICE, USDC, slot=9),
        came(SOL, slot=5, at=None),
        came(PRICE, PYUSD, slot=1, at=LATE),
    )
    assert judged(late, undated, paid).option == BY_USDC
    assert judged(late, undated).option == BY_SOL
    assert judged(late, undated).standing is Standing.UNDATED
    assert judged(late).standing is Standing.LATE
    assert judged(came(SOL, slot=4), came(PRICE, USDC, slot=3)).option == BY_USDC
    assert judged(came(SOL, slot=2), came(PRICE, USDC, slot=3)).option == BY_SOL


def test_the_surplus_is_all_that_no_price_asked_for() -> None:
    stranger = came(9, USDC, slot=3)
    found = judged(came(SOL + 4, slot=1), stranger)
    assert (found.option, found.surplus) == (BY_SOL, {None: 4, USDC: 9})
    tolerated = judged(came(PRICE - 1, USDC), tolerance=Tolerance(base_units=1, asset=USDC))
    assert (tolerated.standing, tolerated.surplus) == (Standing.PAID, {})


def test_an_option_whose_mint_cannot_be_read_cannot_be_paid_and_hides_no_other() -> None:
    flows = [came(PRICE, USDC, slot=1), came(PRICE, PYUSD, slot=2)]
    assert judge(payment(), flows, {PYUSD: 6}).option == BY_PYUSD
    assert judge(payment(), flows[:1], {PYUSD: 6}).standing is Standing.SHORT


def test_prices_follow_the_decimals_of_the_mint() -> None:
    assert judge(payment(), [came(5, USDC)], {USDC: 0}).standing is Standing.PAID
    assert judge(payment(), [came(4, USDC)], {USDC: 0}).standing is Standing.SHORT


def test_a_balance_covers_a_payment_where_it_would_pay_one_of_its_options() -> None:
    expired = payment(PaymentStatus.EXPIRED)
    assert covers(expired, {None: SOL}, {})
    assert covers(payment(), {USDC: PRICE}, DECIMALS)
    assert not covers(payment(), {USDC: PRICE}, {PYUSD: 6})
    assert not covers(payment(), {USDC: PRICE - 1, None: SOL - 1}, DECIMALS)
    assert not covers(payment(), {}, DECIMALS)
    assert covers(payment(), {USDC: PRICE - 1}, DECIMALS, Tolerance(base_units=1, asset=USDC))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            came,
            st.integers(-2 * SOL, 2 * SOL),
            st.sampled_from([None, USDC, PYUSD]),
            slot=st.integers(1, 5),
            at=st.sampled_from([IN_TIME, EXPIRES, LATE, None]),
        ),
        max_size=6,
    )
)
def test_no_history_whatever_is_called_paid_without_the_price_having_come_in_time(flows: list[Entry]) -> None:
    numbered = [replace(flow, signature=str(number)) for number, flow in enumerate(flows)]
    found = judged(*numbered)
    in_time = [flow for flow in numbered if flow.amount > 0 and (flow.block_time or LATE) <= EXPIRES]
    untimed_before = [flow for flow in numbered if flow.amount > 0]
    if found.standing is Standing.PAID:
        assert found.signature in {flow.signature for flow in in_time}
        assert found.option is not None
        price = SOL if found.option.mint is None else PRICE
        assert sum(flow.amount for flow in untimed_before if flow.asset == found.option.mint) >= price
    assert found.received == {
        mint: sum(flow.amount for flow in untimed_before if flow.asset == mint)
        for mint in {flow.asset for flow in untimed_before}
    }
    assert all(amount > 0 for amount in found.surplus.values())
