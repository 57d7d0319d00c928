"""The context of one operation: its time, what it has learnt of the chain, its options, its deployment."""

import asyncio
from datetime import timedelta

import pytest

from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.chain_facts import ChainFacts
from solpay_pipeline.operations.context.options import BadOption, Options, parse_tolerance
from solpay_pipeline_tests.operations.ground import MADE, NOW, SIGNATURE_FEE, deployment, scene

# -- the time that is left --------------------------------------------------------------------------------------------


def test_a_run_stops_when_its_time_is_over_and_says_so() -> None:
    made = scene(options=Options(max_runtime_seconds=60))
    assert not made.context.must_stop()
    made.clock.now = 60
    assert made.context.must_stop()
    assert made.tally.stopped_reason == "max_runtime"


def test_a_run_without_a_limit_never_stops_for_its_time() -> None:
    made = scene()
    made.clock.now = 1e9
    assert not made.context.must_stop()
    assert made.tally.stopped_reason == "done"


@pytest.mark.parametrize(("now", "patience"), [(0, 30.0), (50, 10.0), (59.9, 1.0), (100, 1.0)])
def test_a_broadcast_gets_what_is_left_of_the_time_and_never_less_than_a_second(
    now: float, patience: float
) -> None:
    made = scene(options=Options(max_runtime_seconds=60))
    made.clock.now = now
    assert made.context.patience() == patience


# -- what is asked once -----------------------------------------------------------------------------------------------


def test_the_fee_is_asked_once_and_its_blockhash_is_signed_with_once_while_it_is_fresh() -> None:
    made = scene()
    facts = made.context.facts

    async def run() -> None:
        assert await facts.signature_fee() == await facts.signature_fee() == SIGNATURE_FEE
        first, second = await facts.blockhash(), await facts.blockhash()
        assert first.blockhash != second.blockhash

    asyncio.run(run())
    assert (made.rpc.calls["fee_for_message"], made.rpc.calls["latest_blockhash"]) == (1, 2)
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


# -- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        {"sleep": -1.0},
        {"sleep": float("inf")},
        {"max_runtime_seconds": 0.0},
        {"limit": 0},
        {"watch_days": -1},
        {"page_size": 0},
        {"page_size": 5_001},
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_by_its_name(bad: dict[str, float]) -> None:
    with pytest.raises(BadOption, match=next(iter(bad))):
        Options(**bad)  # type: ignore[arg-type]


def test_a_tolerance_is_base_units_or_a_percentage() -> None:
    assert parse_tolerance(" 1000 ") == Tolerance(base_units=1_000)
    assert parse_tolerance("0.5%").least(1_000) == 995
    for bad in ("", "half", "-1", "100%", "NaN%", "-0.1%"):
        with pytest.raises(BadOption, match="underpayment_tolerance"):
            parse_tolerance(bad)


# -- the deployment ---------------------------------------------------------------------------------------------------


def test_a_deployment_believes_confirmed_blocks_and_pays_no_priority_unless_it_is_told_otherwise() -> None:
    made = deployment()
    assert (made.commitment, made.acceptance) == (Commitment.CONFIRMED, Commitment.CONFIRMED)
    assert (made.max_priority_fee, made.spending.per_run, made.spending.per_day) == (0, None, None)
    assert made.clock() - MADE == timedelta(hours=1)
