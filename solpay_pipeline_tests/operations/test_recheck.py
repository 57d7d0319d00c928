"""Recheck: open payments are looked up, what is paid is credited and sent home, all else stays as it is."""

import asyncio

from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.recheck import recheck
from solpay_pipeline_tests.operations.ground import (
    LIVE,
    NOW,
    PRICE,
    FakeBooks,
    Scene,
    came,
    holds,
    scene,
    wallet,
)


def run(made: Scene) -> None:
    asyncio.run(recheck(made.context))


def test_a_paid_payment_is_credited_and_its_money_sent_home() -> None:
    made = scene()
    one = wallet(expires=LIVE)
    made.add(one, holds(one, PRICE), came(PRICE))
    run(made)
    assert made.books.accepted == [101]
    assert [job.wallet.id for job in made.mover.moved] == [1]


def test_the_money_stays_where_it_is_if_it_is_not_to_be_forwarded() -> None:
    made = scene(options=Options(forward_funds=False))
    one = wallet(expires=LIVE)
    made.add(one, holds(one, PRICE), came(PRICE))
    run(made)
    assert made.books.accepted == [101]
    assert not made.mover.moved


def test_an_unpaid_payment_is_remembered_as_looked_at_and_otherwise_untouched() -> None:
    made = scene()
    made.add(wallet(expires=LIVE))
    run(made)
    assert made.books == FakeBooks(looks=[101])
    assert made.tally.waiting == 1
    assert not [name for name, _ in made.chain.asked if "history" in name], "its balance says enough"


def test_a_wallet_that_somebody_was_at_is_judged_by_its_history_whatever_it_holds() -> None:
    made = scene()
    one = wallet(expires=LIVE, state=WalletState.PROCESSING_PAYMENT)
    made.add(one, holds(one), came(PRICE))
    run(made)
    assert made.books.accepted == [101]


def test_a_payment_of_which_nobody_says_when_it_was_made_is_set_aside_and_not_credited() -> None:
    made = scene()
    one = wallet(expires=LIVE)
    made.add(one, holds(one, PRICE), came(PRICE, at=None))
    run(made)
    assert made.books.codes == [(1, FindingCode.UNDATED)]
    assert not made.books.accepted


def test_only_a_named_payment_or_a_day_brings_expired_ones_back() -> None:
    for options, accepted in (
        (Options(), []),
        (Options(payment_ids=frozenset({101})), [101]),
        (Options(created_from=NOW), [101]),
    ):
        made = scene(options=options)
        one = wallet(status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED)
        made.add(one, holds(one, PRICE), came(PRICE))
        run(made)
        assert made.books.accepted == accepted


def test_short_and_late_payments_are_left_to_expire() -> None:
    made = scene(options=Options(payment_ids=frozenset({101, 102})))
    short, late = wallet(1), wallet(2)
    made.add(short, holds(short, 1), came(1))
    made.add(late, holds(late, PRICE), came(PRICE, at=LIVE))
    run(made)
    assert made.books == FakeBooks(looks=[101, 102])
    assert made.tally.waiting == 2


def test_the_time_limit_ends_it_between_two_pages() -> None:
    made = scene(options=Options(page_size=1, max_runtime_seconds=10))
    for number in (1, 2):
        made.add(wallet(number, expires=LIVE))

    def stop(_stage: str, _count: int) -> None:
        made.clock.now = 11

    object.__setattr__(made.context, "progress", stop)
    run(made)
    assert made.books.looks == [101]
    assert made.tally.stopped_reason == "max_runtime"
