"""What one run asks the chain once."""

import asyncio

from solpay_pipeline.operations.context.chain_facts import ChainFacts
from solpay_pipeline_tests.operations.ground import NOW, SIGNATURE_FEE, scene


def test_the_fee_is_asked_once_and_its_blockhash_is_signed_with_once_while_it_is_fresh() -> None:
    made = scene()
    facts = made.context.facts

    async def run() -> None:
        assert await facts.signature_fee() == await facts.signature_fee() == SIGNATURE_FEE
        first, second = await facts.blockhash(), await facts.blockhash()
        assert first.blockhash != second.blockhash

    asyncio.run(run())
    assert (made.rpc.calls["signature_fee"], made.rpc.calls["latest_blockhash"]) == (1, 2)
    assert facts.fee_payer_floor == made.rpc.floor


def test_a_blockhash_that_has_waited_is_not_signed_with() -> None:
    made = scene()

    async def run() -> None:
        await made.context.facts.signature_fee()
        made.clock.now = 2.5
        await made.context.facts.blockhash()

    asyncio.run(run())
    assert made.rpc.calls["latest_blockhash"] == 2


def test_others_prices_are_asked_once_and_only_where_something_may_be_paid_for_priority() -> None:
    for most, asked, price in ((0, 0, 0), (1_000, 1, 20)):
        made = scene(max_priority_fee=most)
        made.rpc.priority_fees = (20,) * 150

        facts = made.context.facts

        async def shapes(facts: ChainFacts = facts) -> int:
            await facts.shape()
            return (await facts.shape()).compute_unit_price

        assert asyncio.run(shapes()) == price
        assert made.rpc.calls["recent_priority_fees"] == asked


def test_how_far_a_history_reaches_is_the_time_of_its_first_slot_or_of_the_next_that_has_one() -> None:
    made = scene()
    made.rpc.block_times = {103: NOW}

    async def run() -> None:
        assert await made.context.facts.history_from(1) is None, "it goes back to the beginning"
        assert await made.context.facts.history_from(100) == NOW
        assert await made.context.facts.history_from(100) == NOW

    asyncio.run(run())
    assert made.rpc.calls["block_time"] == 3
