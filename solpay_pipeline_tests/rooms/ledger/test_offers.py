"""What a customer saw is kept, however often the shop edits it later."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from solpay_pipeline.ledger.seen import offers
from solpay_pipeline.lifecycle.judgement import Standing, covers, judge, remade_mints
from solpay_pipeline.lifecycle.terms import Payment, PaymentOption
from solpay_pipeline_tests.rooms.lifecycle.ground import (
    BY_SOL,
    BY_USDC,
    CREATED,
    DECIMALS,
    EXPIRES,
    PRICE,
    PYUSD,
    SOL,
    USDC,
    came,
    payment,
)

HOUR = timedelta(hours=1)


def read_again(connection, row: Payment) -> Payment:
    (found,) = offers.with_earlier(connection, [row])
    return found


def seen(connection, row: Payment, at) -> Payment:
    offers.remember(connection, [row], at)
    return read_again(connection, row)


def test_an_offer_that_never_changed_has_no_earlier_versions(connection):
    assert seen(connection, payment(), CREATED).earlier == ()
    assert seen(connection, payment(), CREATED + HOUR).earlier == ()
    assert offers.unseen(connection, [payment()]) == []


def test_an_edited_mint_stays_among_what_the_wallet_may_hold(connection):
    row = replace(payment(), options=(BY_USDC,))
    seen(connection, row, CREATED)
    edited = replace(row, options=(replace(BY_USDC, mint=PYUSD),))
    assert offers.unseen(connection, [edited]) == [edited]
    found = seen(connection, edited, CREATED + HOUR)
    (before,) = found.earlier
    assert (before.options, before.expires_at) == ((BY_USDC,), EXPIRES)
    assert (before.since, before.until) == (None, CREATED + HOUR)
    assert set(found.mints) == {USDC, PYUSD}


def test_money_that_came_for_the_offer_that_stood_pays(connection):
    row = replace(payment(), options=(BY_USDC,))
    seen(connection, row, CREATED)
    edited = replace(row, options=(replace(BY_USDC, price=Decimal(9)),))
    found = seen(connection, edited, CREATED + HOUR)
    in_time = judge(found, [came(PRICE, USDC, at=CREATED + timedelta(minutes=5))], DECIMALS)
    assert (in_time.standing, in_time.option) == (Standing.PAID, BY_USDC)
    # Two hours later nobody can have seen the old price any more, and its time was over.
    assert judge(found, [came(PRICE, USDC, at=CREATED + 2 * HOUR)], DECIMALS).standing is not Standing.PAID


def test_a_time_that_was_extended_counts_for_money_that_came_before_anybody_saw_it(connection):
    row = replace(payment(), options=(BY_USDC,))
    seen(connection, row, CREATED)
    extended = seen(connection, replace(row, expires_at=EXPIRES + 2 * HOUR), EXPIRES + HOUR)
    late_for_the_first = came(PRICE, USDC, at=EXPIRES + timedelta(minutes=1))
    assert judge(extended, [late_for_the_first], DECIMALS).standing is Standing.PAID


def test_a_price_that_is_written_with_other_zeroes_is_the_same_offer(connection):
    row = replace(payment(), options=(BY_USDC,))
    seen(connection, row, CREATED)
    same = replace(row, options=(PaymentOption(BY_USDC.token_id, USDC, Decimal("5.000")),))
    assert offers.unseen(connection, [same]) == []


def test_a_price_that_returns_counts_as_often_as_it_stood(connection):
    row = replace(payment(), options=(BY_USDC,))
    sale = replace(row, options=(replace(BY_USDC, price=Decimal(1)),))
    for hours, version in enumerate((row, sale, row)):
        seen(connection, version, CREATED + hours * HOUR / 6)
    found = read_again(connection, row)
    assert [len(one.options) for one in found.offers] == [1, 1, 1]
    in_the_sale = judge(found, [came(1_000_000, USDC, at=CREATED + timedelta(minutes=15))], DECIMALS)
    assert in_the_sale.standing is Standing.PAID
    full = judge(found, [came(PRICE, USDC, at=CREATED + timedelta(minutes=1))], DECIMALS)
    assert full.standing is Standing.PAID


def test_the_decimals_of_the_first_look_stay_with_the_version_that_was_seen_then(connection):
    row = replace(payment(), options=(BY_USDC,))
    seen(connection, row, CREATED)
    offers.remember_decimals(connection, [row], {USDC: 6, PYUSD: 2})
    offers.remember_decimals(connection, [row], {USDC: 9})
    edited = replace(row, options=(replace(BY_USDC, price=Decimal(9)),))
    seen(connection, edited, CREATED + HOUR)
    offers.remember_decimals(connection, [edited], {USDC: 9})
    found = read_again(connection, edited)
    assert [[one.seen_decimals for one in version.options] for version in found.offers] == [[6], [9]]


def test_a_price_in_a_mint_that_was_made_anew_with_other_decimals_cannot_be_paid(connection):
    row = replace(payment(), options=(BY_SOL, BY_USDC))
    seen(connection, row, CREATED)
    offers.remember_decimals(connection, [row], {USDC: 6})
    found = read_again(connection, row)
    anew = {USDC: 2}
    in_tokens, in_sol = came(PRICE, USDC), came(SOL)
    assert judge(found, [in_tokens], DECIMALS).standing is Standing.PAID
    assert judge(found, [in_tokens], anew).standing is Standing.SHORT
    assert judge(found, [in_sol], anew).standing is Standing.PAID
    assert not covers(found, {USDC: PRICE}, anew)
    assert remade_mints(found, anew) == {USDC: (6, 2)}
    assert remade_mints(found, DECIMALS) == remade_mints(found, {}) == {}


def test_what_two_runs_write_at_once_is_one_version(connection):
    row = replace(payment(), options=(BY_USDC,))
    for _ in range(2):
        offers.remember(connection, [row], CREATED)
    assert read_again(connection, row).earlier == ()


def test_two_payments_of_one_address_are_no_versions_of_each_other(connection):
    first = payment()
    second = replace(payment(), id=first.id + 1, expires_at=EXPIRES + HOUR)
    for row in (first, second):
        offers.remember(connection, [row], CREATED + HOUR)
    assert offers.unseen(connection, [first, second]) == []
    assert [read_again(connection, row).earlier for row in (first, second)] == [(), ()]
