"""How operations look: pages of wallets, snapshots of what they hold, judgements, and where money went."""

import asyncio
from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.chain.reading.history import HistoryIncomplete
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Commitment, Wallet, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.context.records import Wanted
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline.operations.looking.pages import due_pages, readable, wallet_pages, without_busy
from solpay_pipeline.operations.looking.snapshots import judge_snapshots, take_snapshots
from solpay_pipeline.records.rows import UnreadableRow
from solpay_pipeline_tests.operations.ground import (
    BY_SOL,
    BY_USDC,
    FULL,
    LIVE,
    NOW,
    PRICE,
    SLOT,
    USDC,
    Scene,
    came,
    holds,
    left,
    payment_of,
    scene,
    snapshot,
    wallet,
)

CREATED = Wanted({WalletState.CREATED})

# -- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 100, 250])
def test_every_wallet_is_met_once_whatever_the_size_of_a_page(size: int) -> None:
    made = scene(options=Options(page_size=size))
    for number in range(1, 251):
        made.records.rows.append(wallet(number))
    pages = list(wallet_pages(made.context, CREATED))
    assert [one.id for page in pages for one in page] == list(range(1, 251))
    assert max(map(len, pages)) <= size
    assert made.tally.looked_at == 250


def test_due_wallets_are_those_whose_time_is_over_by_the_chains_clock() -> None:
    made = scene()
    made.records.rows = [wallet(1), wallet(2, expires=LIVE), wallet(3, expires=NOW)]
    assert [[one.id for one in page] for page in due_pages(made.context)] == [[1, 3]]


def test_a_second_look_is_not_counted() -> None:
    made = scene()
    made.records.rows = [wallet()]
    list(wallet_pages(made.context, CREATED, is_counted=False))
    assert made.tally.looked_at == 0


def test_no_page_is_read_once_the_time_is_over() -> None:
    made = scene(options=Options(max_runtime_seconds=1))
    made.records.rows = [wallet()]
    made.clock.now = 1
    assert list(wallet_pages(made.context, CREATED)) == []
    assert not made.records.asked


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


# -- snapshots --------------------------------------------------------------------------------------------------------


def snapshots(made: Scene, *wallets: Wallet) -> list[Snapshot]:
    return asyncio.run(
        take_snapshots(made.context, wallets, commitment=Commitment.FINALIZED, min_context_slot=SLOT)
    )


def test_holdings_are_read_for_all_wallets_at_once_and_no_older_than_asked() -> None:
    made = scene()
    first, second = (made.chain.show(one, holds(one, one.id)) for one in (wallet(1), wallet(2)))
    assert [one.holdings.lamports for one in snapshots(made, first, second)] == [1, 2]
    assert made.chain.asked == [("holdings_and_mints", (Commitment.FINALIZED, SLOT))]


def test_a_wallet_without_a_payment_has_no_snapshot_and_none_at_all_asks_nothing() -> None:
    made = scene()
    assert snapshots(made, Wallet(1, WalletState.CREATED, None)) == []
    assert not made.chain.asked


def test_accounts_that_no_payment_names_are_looked_for_only_where_that_was_asked() -> None:
    for asked in (False, True):
        made = scene(options=Options(discover_accounts=asked))
        one = wallet()
        made.chain.strays[payment_of(one).address] = holds(one, usdc=FULL)
        [seen] = snapshots(made, one)
        assert bool(seen.holdings.tokens) is asked


# -- judgements -------------------------------------------------------------------------------------------------------


def judged(made: Scene, one: Snapshot) -> Judgement | Finding:
    [(_, result)] = asyncio.run(judge_snapshots(made.context, [one]))
    return result


def shown(made: Scene, one: Wallet, lamports: int = 0, *flows: object, **tokens: int) -> Snapshot:
    held = holds(one, lamports, **tokens)
    made.chain.show(one, held, *flows)  # type: ignore[arg-type]
    return snapshot(one, held)


def standing(result: Judgement | Finding) -> Standing | FindingCode:
    return result.code if isinstance(result, Finding) else result.standing


def test_a_balance_whose_newest_flows_pay_the_price_needs_no_whole_history() -> None:
    made = scene()
    one = shown(made, wallet(), PRICE)
    made.chain.newest[one.payment.address] = (came(PRICE),)
    assert standing(judged(made, one)) is Standing.PAID
    assert [name for name, _ in made.chain.asked] == ["newest_history"]


def test_newest_flows_that_prove_nothing_are_followed_by_everything() -> None:
    made = scene()
    one = shown(made, wallet(), PRICE, came(PRICE, at=LIVE), came(1, slot=4))
    made.chain.newest[one.payment.address] = (came(PRICE, at=LIVE),)
    assert standing(judged(made, one)) is Standing.LATE
    assert [name for name, _ in made.chain.asked] == ["newest_history", "history"]


def test_money_that_no_history_explains_is_not_judged() -> None:
    made = scene()
    assert standing(judged(made, shown(made, wallet(), 5))) is FindingCode.HISTORY_UNREADABLE


def test_a_history_that_begins_after_the_payment_was_made_cannot_show_it_unpaid_but_paid() -> None:
    for amount, expected in ((PRICE, Standing.PAID), (PRICE - 1, FindingCode.HISTORY_UNREADABLE)):
        made = scene()
        made.chain.first_slot = 500
        made.rpc.block_times = {500: NOW}
        one = shown(made, wallet(), amount, came(amount))
        assert standing(judged(made, one)) == expected


def test_a_history_with_a_hole_is_that_wallets_alone() -> None:
    made = scene()
    broken, fine = wallet(1), wallet(2)
    made.chain.flows[payment_of(broken).address] = HistoryIncomplete("a hole")
    second = shown(made, fine, PRICE, came(PRICE))
    results = asyncio.run(judge_snapshots(made.context, [snapshot(broken, holds(broken, 1)), second]))
    assert [standing(result) for _, result in results] == [FindingCode.HISTORY_UNREADABLE, Standing.PAID]


def test_holdings_and_history_are_of_one_chain_at_the_commitment_of_acceptance() -> None:
    made = scene(acceptance=Commitment.FINALIZED)
    one = wallet()
    made.chain.show(one, holds(one, PRICE), came(PRICE))
    stale = snapshot(one, holds(one))
    [(seen, _)] = asyncio.run(judge_snapshots(made.context, [stale]))
    assert (seen.commitment, seen.holdings.lamports) == (Commitment.FINALIZED, PRICE)


def test_accounts_of_a_mint_that_cannot_be_read_now_are_searched_under_both_programs() -> None:
    made = scene()
    one = shown(made, wallet(options=(BY_SOL, BY_USDC)), 1, came(1))
    unreadable = replace(one, mints={USDC.address: "it is gone"})
    judged(made, unreadable)
    accounts = {
        associated_token_address(one.payment.address, USDC.address, program) for program in TOKEN_PROGRAMS
    }
    assert [set(asked) for name, asked in made.chain.asked if name == "history"] == [accounts]


# -- where money went -------------------------------------------------------------------------------------------------


def test_money_that_others_sent_to_the_receiver_is_at_home() -> None:
    made = scene()
    one = shown(made, wallet(), 0, came(PRICE), left(PRICE, made.deployment.receiver))
    assert asyncio.run(went_home(made.context, one)).code is FindingCode.FOREIGN_MOVEMENT


@pytest.mark.parametrize("case", ["elsewhere", "in part", "nothing left", "unreadable"])
def test_money_of_which_not_all_is_known_to_be_at_home_is_an_operators(case: str) -> None:
    made = scene()
    stranger, receiver = Pubkey.new_unique(), made.deployment.receiver
    flows = {
        "elsewhere": (came(PRICE), left(PRICE, stranger)),
        "in part": (came(PRICE), left(1, receiver), left(PRICE - 1, stranger)),
        "nothing left": (came(PRICE),),
        "unreadable": (),
    }[case]
    one = shown(made, wallet(), 0, *flows)
    if case == "unreadable":
        made.chain.flows[one.payment.address] = HistoryIncomplete("a hole")
    assert asyncio.run(went_home(made.context, one)).code is FindingCode.FUNDS_ELSEWHERE
