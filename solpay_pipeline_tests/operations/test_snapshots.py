"""Snapshots of what wallets hold, and judgements by their histories."""

import asyncio
from dataclasses import replace

from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.chain.reading.crossing import Crossing
from solpay_pipeline.chain.reading.history import NEWEST, HistoryTooLong, HistoryUnfinished
from solpay_pipeline.chain.rpc.answers import SignatureRecord
from solpay_pipeline.chain.rpc.errors import Unanswered
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement, Standing
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Commitment, Wallet, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.looking.long_histories import LONG
from solpay_pipeline.operations.looking.snapshots import judge_snapshots, take_snapshots
from solpay_pipeline_tests.operations.ground import (
    BY_SOL,
    BY_USDC,
    EXPIRED,
    FULL,
    LIVE,
    NOBODY,
    NOW,
    PRICE,
    SLOT,
    USDC,
    Scene,
    came,
    holds,
    payment_of,
    scene,
    snapshot,
    wallet,
)


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


def judged(made: Scene, one: Snapshot) -> Judgement | Finding:
    [(_, result)] = asyncio.run(judge_snapshots(made.context, [one]))
    return result


def shown(made: Scene, one: Wallet, lamports: int = 0, *entries: object, **tokens: int) -> Snapshot:
    held = holds(one, lamports, **tokens)
    made.chain.show(one, held, *entries)  # type: ignore[arg-type]
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
    made.chain.entries[payment_of(broken).address] = Unanswered("a hole")
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


def test_wallets_for_which_the_time_is_too_short_are_left_out_and_not_set_aside() -> None:
    made = scene(options=Options(max_runtime_seconds=1))
    one = shown(made, wallet(), PRICE)
    made.chain.entries[one.payment.address] = HistoryUnfinished("over")
    assert asyncio.run(judge_snapshots(made.context, [one])) == []
    made.chain.asked.clear()
    over = replace(made.context, started=made.context.started - 2)
    assert asyncio.run(judge_snapshots(over, [one])) == []
    assert not made.chain.asked
    assert made.tally.stopped_reason == "max_runtime"


def effect(signature: str) -> Effect:
    return Effect(signature, SLOT, NOW, 5_000, NOBODY, ())


def test_only_what_a_long_history_did_is_remembered_and_only_what_was_read_now() -> None:
    made = scene()
    one = shown(made, wallet(), 1)
    made.chain.effects = tuple(effect(str(number)) for number in range(NEWEST))
    judged(made, one)
    assert not made.books.effects
    owner = one.payment.address
    made.records.known[owner] = made.chain.effects
    made.chain.effects = (effect("another"),)
    judged(made, one)
    assert made.books.effects == {(owner, "another")}


def crossing(one: Snapshot, balance: int, signature: str = "the last half") -> Crossing:
    """The price was reached in time, and the newest transfer came later."""
    in_time = SignatureRecord(signature, 5, EXPIRED, None, Commitment.FINALIZED)
    newest = SignatureRecord("dust", 9, NOW, None, Commitment.FINALIZED)
    return Crossing(in_time, balance, newest, 0)


def test_a_long_history_is_not_read_where_a_balance_pays_by_itself() -> None:
    made = scene()
    one = shown(made, wallet(), PRICE + 7)
    made.chain.entries[one.payment.address] = HistoryTooLong("10,000 transactions")
    made.chain.crossings[one.payment.address] = crossing(one, PRICE)
    result = judged(made, one)
    assert isinstance(result, Judgement)
    assert (result.standing, result.signature, result.surplus) == (Standing.PAID, "the last half", {None: 7})
    assert ("crossing", (one.payment.address, PRICE, LONG)) in made.chain.asked


def test_a_long_history_of_a_balance_that_pays_nothing_is_a_finding() -> None:
    made = scene()
    one = shown(made, wallet(), PRICE - 1)
    made.chain.entries[one.payment.address] = HistoryTooLong("10,000 transactions")
    assert standing(judged(made, one)) is FindingCode.HISTORY_UNREADABLE
    assert not any(what == "crossing" for what, _ in made.chain.asked)
