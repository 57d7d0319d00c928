"""Accounts that the receiver lacks are opened at the fee payer's expense."""

import asyncio
from dataclasses import replace

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import associated_token_address
from solpay_pipeline.chain.sending.compute import ComputeTable
from solpay_pipeline.operations.context.journal import Recorded, Recording
from solpay_pipeline.operations.context.mover import Opening
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.moving.openings import open_accounts, plan_openings
from solpay_pipeline_tests.operations.ground import (
    RENT,
    SIGNATURE_FEE,
    SOL,
    USDC,
    Scene,
    scene,
)

DUPLICATE = Recording(Recorded.DUPLICATE)

OPENING = Opening(USDC, Pubkey.new_unique(), 165)


def own_account(made: Scene) -> Opening:
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


def test_rent_that_the_fee_payer_cannot_pay_is_told_with_the_sum_that_is_missing_and_stops_nothing_else() -> (
    None
):
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + RENT
    failed = asyncio.run(open_accounts(made.context, [own_account(made)], ComputeTable()))
    reserve = 12 * SIGNATURE_FEE
    assert f"costs {RENT} lamports" in failed[USDC.address]
    assert f"and {reserve} are missing: send it SOL" in failed[USDC.address]
    assert not made.journal.attempts
    assert made.context.facts.fee_payer_lamports == made.rpc.floor + RENT


def test_of_two_accounts_the_one_that_can_be_paid_is_opened() -> None:
    made = scene()
    made.context.facts.fee_payer_lamports = made.rpc.floor + 2 * RENT
    other = replace(USDC, address=Pubkey.new_unique())
    second = Opening(
        other, associated_token_address(made.deployment.receiver, other.address, other.program), 165
    )
    failed = asyncio.run(open_accounts(made.context, [own_account(made), second], ComputeTable()))
    assert list(failed) == [other.address]
    assert len(made.journal.recorded) == 1


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
