"""The balance scan: which open payments hold enough to be worth a recheck, without a key or a write."""

import asyncio
from datetime import timedelta

from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, WalletState
from solpay_pipeline.operations import balance_scan
from solpay_pipeline.operations.balance_scan import Scan, ScanResult
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.records.rows import UnreadableRow
from solpay_pipeline_tests.operations.ground import (
    BY_USDC,
    FULL,
    NOW,
    PRICE,
    USDC,
    Scene,
    holds,
    scene,
    wallet,
)


def looked(made: Scene, *, after: int = 0, page: int = 10, tolerance: Tolerance | None = None) -> ScanResult:
    made.records.options = Options(page_size=page)
    since = NOW - timedelta(days=7)
    scan = Scan(made.chain, made.records, Commitment.CONFIRMED, page, since, tolerance or Tolerance())
    seen = ScanResult(after)
    asyncio.run(scan.look(seen))
    return seen


def test_a_payment_with_enough_in_its_wallet_is_found_and_one_with_less_is_not() -> None:
    made = scene()
    enough, less = wallet(1, options=(BY_USDC,)), wallet(2)
    made.add(enough, holds(enough, usdc=FULL))
    made.add(less, holds(less, PRICE - 1))
    seen = looked(made)
    [funded] = seen.funded
    assert (funded.payment_id, funded.balances) == (101, ((str(USDC.address), FULL),))
    assert (seen.looked_at, seen.after) == (2, 0)


def test_within_the_tolerance_there_is_enough() -> None:
    made = scene()
    one = wallet()
    made.add(one, holds(one, PRICE - 10))
    assert len(looked(made, tolerance=Tolerance(base_units=10, asset=None)).funded) == 1


def test_money_in_a_wallet_that_was_judged_already_is_no_news() -> None:
    made = scene()
    held = wallet(1, status=PaymentStatus.EXPIRED, state=WalletState.RECEIVED_FUNDS)
    closed = wallet(2, status=PaymentStatus.EXPIRED, state=WalletState.CLOSED)
    for one in (held, closed):
        made.add(one, holds(one, PRICE))
    assert [one.payment_id for one in looked(made).funded] == [102]


def test_a_payment_that_was_set_aside_is_marked_so() -> None:
    made = scene()
    one = wallet()
    made.add(one, holds(one, PRICE))
    made.records.aside_ids = {1}
    assert looked(made).funded[0].is_set_aside


def test_a_row_that_nobody_can_read_hides_no_other() -> None:
    made = scene()
    made.records.rows.append(UnreadableRow(1, 101, "it has no price"))
    one = wallet(2)
    made.add(one, holds(one, PRICE))
    assert [each.payment_id for each in looked(made, page=1).funded] == [102]


def test_it_ends_behind_the_payment_up_to_which_there_was_enough_to_report(monkeypatch) -> None:
    monkeypatch.setattr(balance_scan, "MOST_FUNDED", 2)
    made = scene()
    for number in (1, 2, 3):
        one = wallet(number)
        made.add(one, holds(one, PRICE))
    assert looked(made, page=1).after == 102
    assert looked(made, after=102, page=1).after == 0
