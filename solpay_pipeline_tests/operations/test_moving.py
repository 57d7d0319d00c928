"""How operations move: rounds until nothing is left, legs into transactions, and what became of each."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.reading.destinations import Destination
from solpay_pipeline.chain.rpc.answers import SignatureStatus
from solpay_pipeline.chain.rpc.errors import NodeBehind
from solpay_pipeline.chain.sending.broadcast import Fate
from solpay_pipeline.chain.sending.compute import ComputeTable
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.actions import CloseAccount, Leg, MoveLamports
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes.planned_books import PlannedBooks
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import LegJob, LegOutcome, LegResult, Opening
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.moving.execution import PlanningMover, SendingMover
from solpay_pipeline.operations.moving.openings import open_accounts, plan_openings
from solpay_pipeline.operations.moving.receiver_accounts import ReceiverAccounts
from solpay_pipeline.operations.moving.reconcile import RoundPlan, reconcile
from solpay_pipeline.operations.moving.settle import count_in_flight, settle
from solpay_pipeline_tests.operations.ground import (
    BY_USDC,
    FULL,
    KEYS,
    PRICE,
    RENT,
    SIGNATURE_FEE,
    SLOT,
    SOL,
    USDC,
    FakeMover,
    Scene,
    holds,
    open_transaction,
    payment_of,
    scene,
    snapshot,
    wallet,
)

IN_FLIGHT = WalletState.PROCESSING_FUNDS
BUSY, DUPLICATE = Recording(Recorded.BUSY), Recording(Recorded.DUPLICATE)
OVER_LIMIT = Recording(Recorded.OVER_LIMIT, LimitReached("max_spent_per_day", "it would be too much"))


def accepted(number: int = 1) -> Wallet:
    return wallet(number, status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)


def job(made: Scene, one: Wallet, lamports: int = PRICE) -> LegJob:
    """All lamports go home; the key is in the records."""
    made.seal(one)
    action = MoveLamports(lamports, made.deployment.receiver)
    return LegJob(one, Leg(one.id, payment_of(one).address, ((action,),)))


def moved(made: Scene, *jobs: LegJob, alone: set[int] | None = None) -> list[LegResult]:
    mover = SendingMover(made.context, "sweep", IN_FLIGHT)
    return asyncio.run(mover.move(jobs, alone=alone or set()))


def outcomes(results: list[LegResult]) -> list[tuple[int, LegOutcome]]:
    return sorted((one.wallet.id, one.outcome) for one in results)


# -- reconcile: look, decide, move, look again ------------------------------------------------------------------------


class Planner:
    """Moves what a wallet holds; keeps what was given up."""

    def __init__(self, made: Scene) -> None:
        self.mover = made.mover
        self.given_up: list[tuple[int, FindingCode]] = []
        self.looks: list[list[int]] = []

    async def plan(self, snapshots: Any) -> RoundPlan:
        self.looks.append([one.wallet.id for one in snapshots])
        full = [one for one in snapshots if not one.holdings.is_empty]
        return RoundPlan(tuple(self._job(one) for one in full))

    def give_up(self, wallet: Wallet, *findings: Finding) -> None:
        self.given_up += [(wallet.id, one.code) for one in findings]

    def _job(self, one: Snapshot) -> LegJob:
        action = MoveLamports(one.holdings.lamports, Pubkey.default())
        return LegJob(one.wallet, Leg(one.wallet.id, one.payment.address, ((action,),)))


def reconciled(made: Scene, *numbers: int) -> Planner:
    wallets = [accepted(number) for number in numbers]
    for one in wallets:
        made.add(one, holds(one, PRICE))
    planner = Planner(made)
    asyncio.run(reconcile(made.context, wallets, planner))
    return planner


def test_a_wallet_is_looked_at_again_after_its_money_has_moved() -> None:
    made = scene()
    assert reconciled(made, 1).looks == [[1], [1]]
    assert made.chain.asked[-1] == ("holdings_and_mints", (Commitment.CONFIRMED, SLOT + 1)), (
        "no older than the move"
    )


def test_a_wallet_that_spoils_a_transaction_goes_alone_and_is_then_given_up() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.SPOILED, LegOutcome.SPOILED], 2: [LegOutcome.AGAIN]}
    planner = reconciled(made, 1, 2)
    assert made.mover.rounds == [([1, 2], set()), ([1, 2], {1})]
    assert planner.given_up == [(1, FindingCode.TRANSACTION_FAILED)]


def test_a_wallet_that_waits_for_the_limit_is_noted_and_not_given_up() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.WAITS]}
    assert not reconciled(made, 1).given_up
    assert [one.wallet_id for one in made.books.findings] == [1]


def test_what_is_in_flight_or_taken_by_others_is_counted_and_left() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.IN_FLIGHT], 2: [LegOutcome.SKIPPED]}
    assert reconciled(made, 1, 2).looks == [[1, 2]]
    assert (made.tally.in_flight, made.tally.skipped) == (1, 1)


def test_a_wallet_that_never_comes_to_rest_is_given_up_after_ten_rounds() -> None:
    made = scene()
    made.mover.outcomes = {1: [LegOutcome.AGAIN] * 20}
    planner = reconciled(made, 1)
    assert len(planner.looks) == 10
    assert planner.given_up == [(1, FindingCode.STILL_MOVING)]


def test_a_run_that_is_out_of_time_gives_nothing_up() -> None:
    made = scene(options=Options(max_runtime_seconds=1))
    made.clock.now = 2
    planner = reconciled(made, 1)
    assert (planner.looks, planner.given_up) == ([], [])


# -- execution and submission: into the ledger, then onto the chain ---------------------------------------------------


def test_wallets_share_a_transaction_and_land_in_it() -> None:
    made = scene()
    jobs = [job(made, accepted(number)) for number in (1, 2, 3)]
    results = moved(made, *jobs)
    assert outcomes(results) == [(number, LegOutcome.LANDED) for number in (1, 2, 3)]
    assert {one.wallet.state for one in results} == {IN_FLIGHT}
    assert {one.slot for one in results} == {SLOT + 2}
    assert len(made.rpc.sent) == len(made.journal.recorded) == 1


def test_nothing_leaves_before_it_is_recorded_as_it_leaves() -> None:
    made = scene()
    moved(made, job(made, accepted()))
    assert made.rpc.sent == [made.journal.recorded[0].wire]
    assert made.journal.attempts == [([1], IN_FLIGHT)]


def test_a_wallet_that_goes_alone_has_a_transaction_of_its_own() -> None:
    made = scene()
    moved(made, *(job(made, accepted(number)) for number in (1, 2, 3)), alone={2})
    assert sorted([leg.wallet_id for leg in one.legs] for one in made.journal.recorded) == [[1, 3], [2]]


@pytest.mark.parametrize("why", ["busy", "gone"])
def test_a_wallet_that_is_busy_or_gone_is_skipped_before_anything_is_signed(why: str) -> None:
    made = scene()
    one = job(made, accepted())
    if why == "busy":
        made.records.busy_ids = {1}
    else:
        made.records.sealed.clear()
    assert outcomes(moved(made, one)) == [(1, LegOutcome.SKIPPED)]
    assert not made.journal.attempts


def test_a_key_that_cannot_be_opened_or_is_anothers_sets_its_wallet_aside_and_the_others_go() -> None:
    made = scene()
    unreadable, mismatched, fine = (accepted(number) for number in (1, 2, 3))
    jobs = [job(made, one) for one in (unreadable, mismatched, fine)]
    made.records.sealed[1] = replace(made.records.sealed[1], content="not a token")
    made.records.sealed[2] = replace(
        made.records.sealed[2], content=made.deployment.vault.seal(KEYS[payment_of(fine).address])
    )
    results = moved(made, *jobs)
    codes = {one.wallet.id: one.finding.code for one in results if one.finding}
    assert codes == {1: FindingCode.KEY_UNREADABLE, 2: FindingCode.KEY_MISMATCH}
    assert outcomes(results)[2] == (3, LegOutcome.LANDED)


def test_what_was_changed_meanwhile_is_planned_again_and_nothing_of_it_is_sent() -> None:
    made = scene()
    made.journal.results = [BUSY]
    assert outcomes(moved(made, job(made, accepted()))) == [(1, LegOutcome.AGAIN)]
    assert not made.rpc.sent


def test_one_that_cannot_be_recorded_keeps_no_other_of_its_group_from_going() -> None:
    made = scene()
    made.journal.results = [BUSY, BUSY]
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2)), alone={1, 2})
    assert sorted(one.outcome for one in results) == [LegOutcome.AGAIN, LegOutcome.LANDED]
    assert len(made.journal.attempts) == 3, "together, then one by one"


def test_the_same_transaction_again_is_made_with_another_blockhash() -> None:
    made = scene()
    made.journal.results = [DUPLICATE]
    assert outcomes(moved(made, job(made, accepted()))) == [(1, LegOutcome.LANDED)]
    assert len(made.journal.attempts) == 2
    assert 0.4 in made.clock.slept


def test_a_node_that_is_stuck_at_a_blockhash_ends_the_run() -> None:
    made = scene()
    made.rpc.stuck = True
    made.journal.results = [DUPLICATE]
    with pytest.raises(NodeBehind, match="stuck"):
        moved(made, job(made, accepted()))


def test_what_may_not_be_spent_waits_and_is_not_signed() -> None:
    made = scene()
    made.journal.room = 1
    results = moved(made, *(job(made, accepted(number)) for number in (1, 2)), alone={1, 2})
    assert sorted(one.outcome for one in results) == [LegOutcome.LANDED, LegOutcome.WAITS]
    assert made.tally.stopped_reason == "max_spent_per_run"
    assert len(made.journal.attempts) == 1


def test_a_limit_that_others_reached_meanwhile_is_seen_as_it_is_recorded() -> None:
    made = scene()
    made.journal.results = [OVER_LIMIT]
    [result] = moved(made, job(made, accepted()))
    assert result.outcome is LegOutcome.WAITS
    assert result.finding is not None
    assert result.finding.code is FindingCode.SPENDING_LIMIT
    assert made.tally.stopped_reason == "max_spent_per_day"


def test_a_fee_payer_that_cannot_pay_stops_the_run_before_anything_is_signed() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + 2 * SIGNATURE_FEE - 1
    with pytest.raises(Blocked, match=str(made.deployment.fee_payer.pubkey)):
        moved(made, job(made, accepted()))
    assert not made.journal.attempts


def test_what_is_not_seen_when_patience_ends_stays_in_flight() -> None:
    made = scene(options=Options(patience_seconds=5))
    made.rpc.lands = False
    assert outcomes(moved(made, job(made, accepted()))) == [(1, LegOutcome.IN_FLIGHT)]
    assert [one.fate for one in made.journal.closed] == [Fate.IN_FLIGHT]


def test_a_pace_is_kept_by_fewer_transactions_under_one_blockhash() -> None:
    made = scene()
    made.rpc.seconds_apart = 10.0
    moved(made, *(job(made, accepted(number)) for number in range(1, 6)), alone=set(range(1, 6)))
    assert made.rpc.calls["latest_blockhash"] == 3


# -- settle -----------------------------------------------------------------------------------------------------------


def test_what_has_landed_is_applied_and_what_is_only_confirmed_stays_open() -> None:
    made = scene()
    made.records.open = [open_transaction("confirmed"), open_transaction("final")]
    made.rpc.landed = {
        "confirmed": SignatureStatus(SLOT, Commitment.CONFIRMED),
        "final": SignatureStatus(SLOT, Commitment.FINALIZED),
    }
    asyncio.run(settle(made.context))
    assert [(one.signature, one.fate) for one in made.journal.closed[:2]] == [
        ("confirmed", Fate.CONFIRMED),
        ("final", Fate.FINALIZED),
    ]
    assert made.tally.settled == 2


def test_a_confirmed_transaction_that_the_chain_no_longer_shows_keeps_its_wallets() -> None:
    made = scene(options=Options(patience_seconds=1))
    made.rpc.lands = False
    made.records.open = [open_transaction("gone", state=TransactionState.CONFIRMED)]
    asyncio.run(settle(made.context))
    assert made.journal.held == ["gone"]


def test_bytes_that_nobody_would_sign_today_are_looked_for_and_not_sent_again() -> None:
    made = scene(options=Options(patience_seconds=5))
    made.rpc.lands = False
    made.records.open = [open_transaction("old", wire=b"no transaction")]
    asyncio.run(settle(made.context))
    assert not made.rpc.sent
    assert made.rpc.calls["statuses"] > 1


def test_an_empty_ledger_asks_nothing() -> None:
    made = scene()
    asyncio.run(settle(made.context))
    assert not made.rpc.calls


def test_a_dry_run_counts_what_is_in_flight() -> None:
    made = scene()
    made.records.open = [open_transaction("a"), open_transaction("b", state=TransactionState.CONFIRMED)]
    count_in_flight(made.context)
    assert made.tally.in_flight == 1
    assert not made.rpc.calls


# -- the receiver's accounts ------------------------------------------------------------------------------------------


def routed(made: Scene, one: Wallet, *, priced: bool = True) -> Any:
    seen = snapshot(one if priced else replace(one, payment=replace(payment_of(one))), holds(one, usdc=FULL))
    return asyncio.run(ReceiverAccounts(made.context, made.mover).route([seen]))


def missing(made: Scene) -> Destination:
    made.chain.receivers[USDC.address] = Destination(Pubkey.new_unique(), exists=False, size=165)
    return made.chain.receivers[USDC.address]


def test_an_account_that_the_receiver_lacks_is_opened_for_a_token_that_was_asked_for() -> None:
    made = scene()
    one = missing(made)
    route = routed(made, wallet(options=(BY_USDC,)))
    assert made.mover.opened == [Opening(USDC, one.ata, 165)]
    assert route.tokens[USDC.address].obstacle is None


def test_no_account_is_opened_for_a_token_that_nobody_asked_for() -> None:
    made = scene()
    missing(made)
    route = routed(made, wallet())
    assert not made.mover.opened
    assert "no payment asked" in route.tokens[USDC.address].obstacle


def test_an_account_that_could_not_be_opened_is_the_tokens_obstacle() -> None:
    made = scene()
    missing(made)
    made.mover.unopened = {USDC.address: "it could not be opened yet"}
    route = routed(made, wallet(options=(BY_USDC,)))
    assert route.tokens[USDC.address].obstacle == "it could not be opened yet"


def test_a_mint_is_looked_up_once_a_run_and_a_missing_receiver_needs_its_minimum() -> None:
    made = scene()
    made.context = replace(made.context, receiver_exists=False)
    accounts = ReceiverAccounts(made.context, FakeMover(made.chain))
    one = wallet(options=(BY_USDC,))

    async def twice() -> int:
        await accounts.route([snapshot(one, holds(one, usdc=FULL))])
        return (await accounts.route([snapshot(one, holds(one, usdc=FULL))])).receiver_minimum

    assert asyncio.run(twice()) == made.rpc.floor
    assert [name for name, _ in made.chain.asked] == ["destinations"]
    assert made.rpc.calls["minimum_balance"] == 2, "the fee payer's floor and the receiver's minimum"


OPENING = Opening(USDC, Pubkey.new_unique(), 165)


def own_account(made: Scene) -> Opening:
    from solpay_pipeline.chain.reading.addresses import associated_token_address

    return replace(
        OPENING, account=associated_token_address(made.deployment.receiver, USDC.address, USDC.program)
    )


def test_opening_costs_the_rent_and_is_recorded_with_it() -> None:
    made = scene()
    failed = asyncio.run(open_accounts(made.context, [own_account(made)], ComputeTable()))
    assert failed == {}
    [entry] = made.journal.recorded
    assert (entry.rent_paid, entry.legs, entry.purpose) == (RENT, (), "prepare_receiver")
    assert made.context.facts.fee_payer_lamports == SOL - RENT - SIGNATURE_FEE


def test_the_same_opening_by_another_run_may_be_sent_by_both() -> None:
    made = scene()
    made.journal.results = [DUPLICATE]
    assert asyncio.run(open_accounts(made.context, [own_account(made)], ComputeTable())) == {}
    assert len(made.rpc.sent) == 1


def test_an_opening_that_is_not_seen_to_land_says_why_by_mint() -> None:
    made = scene(options=Options(patience_seconds=1))
    made.rpc.lands = False
    failed = asyncio.run(open_accounts(made.context, [own_account(made)], ComputeTable()))
    assert "in_flight" in failed[USDC.address]


def test_rent_that_the_fee_payer_cannot_pay_stops_the_run() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = RENT
    with pytest.raises(Blocked, match=f"takes {RENT}"):
        asyncio.run(open_accounts(made.context, [own_account(made)], ComputeTable()))
    assert not made.journal.attempts


def test_openings_are_planned_without_asking_anybody() -> None:
    made = scene()
    shape = asyncio.run(made.context.facts.shape())
    [draft] = plan_openings(
        [own_account(made)],
        [RENT],
        fee_payer=made.deployment.fee_payer.pubkey,
        receiver=made.deployment.receiver,
        shape=shape,
        compute=ComputeTable(),
    )
    assert (draft.rent_paid, draft.wallets, draft.keys) == (RENT, (), ())


# -- a dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_transactions_and_amounts_and_opens_no_key() -> None:
    made = scene()
    planned = PlannedBooks(PaymentStatus.CONFIRMED)
    mover = PlanningMover(planned, made.context, "sweep", IN_FLIGHT)
    jobs = [job(made, accepted(number)) for number in (1, 2)]
    close = CloseAccount(Pubkey.new_unique(), USDC.program, RENT, made.deployment.fee_payer.pubkey)
    three = accepted(3)
    jobs.append(LegJob(three, Leg(3, payment_of(three).address, ((close,),))))
    made.records.sealed.clear()
    assert asyncio.run(mover.move(jobs, alone=())) == []
    assert asyncio.run(mover.open_accounts([OPENING])) == {}
    assert (planned.transactions, planned.amounts) == (1, {None: 2 * PRICE})
    assert not made.rpc.calls
    assert not made.journal.attempts
