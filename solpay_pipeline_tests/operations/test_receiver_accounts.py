"""Where everything goes: the accounts of the receiver."""

import asyncio
from dataclasses import replace
from typing import Any

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.destinations import Destination
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.context.mover import Opening
from solpay_pipeline.operations.moving.receiver_accounts import ReceiverAccounts
from solpay_pipeline_tests.operations.ground import (
    BY_USDC,
    FULL,
    USDC,
    FakeMover,
    Scene,
    holds,
    payment_of,
    scene,
    snapshot,
    wallet,
)


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
