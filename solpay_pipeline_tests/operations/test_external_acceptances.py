"""Payments that others accepted are reported once, with what the chain still shows of them."""

import asyncio

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.external_acceptances import report_external_acceptances
from solpay_pipeline_tests.operations.ground import (
    BY_SOL,
    BY_USDC,
    FULL,
    PRICE,
    USDC,
    Scene,
    came,
    holds,
    scene,
    wallet,
)

ACCEPTED = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}


def run(made: Scene) -> None:
    asyncio.run(report_external_acceptances(made.context))


def test_what_the_wallet_still_holds_is_what_came_in_and_costs_no_history() -> None:
    made = scene()
    one = wallet(options=(BY_SOL, BY_USDC), paid_token_id=2, signature="theirs", **ACCEPTED)  # type: ignore[arg-type]
    made.add(one, holds(one, usdc=FULL + 1))
    run(made)
    [body] = made.books.reported
    assert (body.source, body.signature, body.mint, body.decimals) == ("peer", "theirs", str(USDC.address), 6)
    assert body.received == {str(USDC.address): str(FULL + 1)}
    assert body.surplus == {str(USDC.address): "1"}
    assert not [name for name, _ in made.chain.asked if "history" in name]


def test_of_an_empty_wallet_the_history_says_what_came_in() -> None:
    made = scene()
    one = wallet(**ACCEPTED)  # type: ignore[arg-type]
    made.add(one, holds(one), came(PRICE))
    run(made)
    [body] = made.books.reported
    assert (body.received, body.mint, body.signature) == ({"SOL": str(PRICE)}, "SOL", "payment in slot 5")
    assert body.paid_at is not None


def test_a_history_that_cannot_be_read_keeps_no_acceptance_from_being_reported() -> None:
    made = scene()
    made.add(wallet(**ACCEPTED))  # type: ignore[arg-type]
    made.chain.first_slot = 500
    made.rpc.block_times = dict.fromkeys(range(500, 5_000), made.context.chain_time)
    run(made)
    [body] = made.books.reported
    assert (body.received, body.mint, body.signature, body.paid_at) == ({}, "SOL", "", None)


def test_what_was_accepted_before_the_first_run_is_marked_before_anything_is_reported() -> None:
    made = scene()
    run(made)
    assert made.books.has_begun
    assert not made.books.reported


def test_pages_follow_each_other_until_none_is_left() -> None:
    made = scene(options=Options(page_size=2))
    for number in range(1, 6):
        made.add(wallet(number, **ACCEPTED))  # type: ignore[arg-type]
    run(made)
    assert [body.payment_id for body in made.books.reported] == [101, 102, 103, 104, 105]
