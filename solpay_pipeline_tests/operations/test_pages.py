"""Pages of wallets: every one once, none that cannot be worked on."""

import pytest

from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.records import Wanted
from solpay_pipeline.operations.looking.pages import due_pages, readable, wallet_pages, without_busy
from solpay_pipeline.records.rows import UnreadableRow
from solpay_pipeline_tests.operations.ground import (
    LIVE,
    NOW,
    scene,
    wallet,
)

CREATED = Wanted({WalletState.CREATED})


@pytest.mark.parametrize("size", [1, 7, 100, 110, 220])
def test_every_wallet_is_met_once_whatever_the_size_of_a_page(size: int) -> None:
    made = scene(options=Options(page_size=size))
    for number in range(1, 221):
        made.records.rows.append(wallet(number))
    pages = list(wallet_pages(made.context, CREATED))
    assert [one.id for page in pages for one in page] == list(range(1, 221))
    assert max(map(len, pages)) <= size
    assert made.tally.looked_at == 220


def test_due_wallets_are_those_whose_time_is_over_by_the_chains_clock() -> None:
    made = scene()
    made.records.rows = [wallet(1), wallet(2, expires=LIVE), wallet(3, expires=NOW)]
    assert [[one.id for one in page] for page in due_pages(made.context)] == [[1, 3]]


def test_a_second_look_is_not_counted() -> None:
    made = scene()
    made.records.rows = [wallet()]
    list(wallet_pages(made.context, CREATED, is_counted=False))
    assert made.tally.looked_at == 0


def test_no_page_is_worked_on_once_the_time_is_over_and_what_waits_is_counted() -> None:
    made = scene(options=Options(max_runtime_seconds=1))
    made.records.rows = [wallet()]
    made.clock.now = 1
    assert list(wallet_pages(made.context, CREATED)) == []
    assert (made.tally.left, made.tally.looked_at) == (1, 0)


def test_a_row_that_cannot_be_read_and_one_without_a_payment_are_set_aside_and_the_others_go_on() -> None:
    made = scene()
    fine = wallet(3)
    rows = [UnreadableRow(1, 101, "it has no price"), Wallet(2, WalletState.CREATED, None), fine]
    assert readable(made.context, rows) == [fine]
    assert made.books.codes == [(1, FindingCode.UNREADABLE_ROW), (2, FindingCode.NO_PAYMENT)]
    assert made.books.findings[0].explanation == "it has no price"
    assert made.tally.looked_at == 3


def test_a_wallet_in_flight_is_left_out_and_counted() -> None:
    made = scene()
    made.records.busy_ids = {1}
    first, second = wallet(1), wallet(2)
    assert without_busy(made.context, [first, second]) == [second]
    assert made.tally.in_flight == 1
