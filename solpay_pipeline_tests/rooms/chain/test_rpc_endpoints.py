"""Retries, rests, pace and failover: what many calls over several endpoints see of each other."""

import asyncio
from typing import Any

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import (
    Forbidden,
    MalformedAnswer,
    RateLimited,
    RpcRejected,
    Unreachable,
    WrongCluster,
)
from solpay_pipeline.chain.rpc.failover import GENESIS
from solpay_pipeline.chain.rpc.pace import Limiter
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline_tests.rooms.chain.scripted import (
    Answer,
    FakeTime,
    Reply,
    ScriptedNode,
    error,
    result,
    verbatim,
)

pytestmark = pytest.mark.anyio

BUSY = verbatim("", status=429)
DOWN = verbatim("", status=503)
FINALIZED = Commitment.FINALIZED


def busy_for(seconds: int) -> Answer:
    return verbatim("", status=429, headers={"Retry-After": str(seconds)})


async def test_a_passing_failure_is_asked_again_and_never_seen() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getSlot=[BUSY, DOWN, verbatim("", drop=True), result(7)]) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        assert await rpc.slot(FINALIZED) == 7
        assert rpc.calls == {"getSlot": 4}
    assert sorted(time.slept) == time.slept, "each rest is longer than the one before"


async def test_the_last_error_is_raised_when_the_retry_window_is_over() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getSlot=DOWN) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        with pytest.raises(Unreachable):
            await rpc.slot(FINALIZED)
        assert 5 <= rpc.calls["getSlot"] <= 12
    assert sum(time.slept) <= 30.0


async def test_a_wait_longer_than_the_window_is_not_waited_for() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getSlot=busy_for(60)) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        for _ in range(3):
            with pytest.raises(RateLimited) as raised:
                await rpc.slot(FINALIZED)
            assert raised.value.retry_after == 60.0
        assert rpc.calls["getSlot"] == 1, "those who come during the rest do not ask at all"
    assert time.slept == []


async def test_a_retry_after_of_one_call_holds_all_concurrent_calls() -> None:
    time = FakeTime()
    asked_at: list[float] = []

    def slot(request: dict[str, Any]) -> Reply:
        asked_at.append(time.now)
        return busy_for(5)(request) if len(asked_at) == 1 else result(7)(request)

    async def sleep(seconds: float) -> None:
        # Long enough in real time for a call that does not wait to get through.
        await asyncio.sleep(0.05)
        await time.sleep(seconds)

    options = RpcOptions(max_concurrency=1)
    async with (
        ScriptedNode(getSlot=slot) as node,
        Rpc([node.endpoint()], options, clock=time.clock, sleep=sleep) as rpc,
    ):
        assert await asyncio.gather(*(rpc.slot(FINALIZED) for _ in range(20))) == [7] * 20
    assert len(asked_at) == 21
    assert all(moment >= asked_at[0] + 5 for moment in asked_at[1:])


async def test_a_rejection_is_not_asked_again() -> None:
    async with ScriptedNode(getSlot=error(-32602)) as node, Rpc([node.endpoint()]) as rpc:
        with pytest.raises(RpcRejected):
            await rpc.slot(FINALIZED)
        assert rpc.calls["getSlot"] == 1


async def test_a_send_is_never_repeated_by_the_client() -> None:
    async with ScriptedNode(sendTransaction=DOWN) as node, Rpc([node.endpoint()]) as rpc:
        with pytest.raises(Unreachable):
            await rpc.send(b"wire", preflight_commitment=Commitment.CONFIRMED)
        assert rpc.calls["sendTransaction"] == 1
        config = node.requests[0]["params"][1]
        assert (config["maxRetries"], config["skipPreflight"]) == (0, False)


async def test_the_next_endpoint_takes_over_at_once_and_the_first_gets_another_chance() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getSlot=[DOWN, result(1)]) as first,
        ScriptedNode(getSlot=result(2)) as second,
        Rpc([first.endpoint(), second.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        assert await rpc.slot(FINALIZED) == 2
        assert time.slept == []
        time.now += 10
        assert await rpc.slot(FINALIZED) == 1


async def test_a_key_refused_by_one_endpoint_is_no_error_while_another_answers() -> None:
    refused = verbatim("", status=403)
    async with (
        ScriptedNode(getSlot=refused) as first,
        ScriptedNode(getSlot=[result(2), refused]) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert await rpc.slot(FINALIZED) == 2
        with pytest.raises(Forbidden):
            await rpc.slot(FINALIZED)
        assert rpc.calls["getSlot"] == 3


@pytest.mark.parametrize(
    ("rate_limit", "spacing", "interval"),
    [(10.0, 0.0, 0.1), (0.0, 2.0, 2.0), (1.0, 3.0, 3.0), (0.0, 0.0, 0.0)],
)
async def test_the_pace_is_kept_over_all_concurrent_calls(
    rate_limit: float, spacing: float, interval: float
) -> None:
    time = FakeTime()
    limiter = Limiter(rate_limit=rate_limit, spacing=spacing, clock=time.clock, sleep=time.sleep)
    turns: list[tuple[int, float]] = []

    async def call(number: int) -> None:
        await limiter.wait()
        turns.append((number, time.now))

    await asyncio.gather(*(call(number) for number in range(5)))
    assert [number for number, _ in turns] == list(range(5)), "first come, first served"
    assert [moment for _, moment in turns] == pytest.approx(
        [1_000.0 + number * interval for number in range(5)]
    )


async def test_the_rate_limit_is_kept_through_the_client() -> None:
    time = FakeTime()
    async with ScriptedNode(getSlot=result(7)) as node:
        options = RpcOptions(rate_limit=10.0)
        async with Rpc([node.endpoint()], options, clock=time.clock, sleep=time.sleep) as rpc:
            await asyncio.gather(*(rpc.slot(FINALIZED) for _ in range(11)))
    assert time.now == pytest.approx(1_001.0)


@pytest.mark.parametrize("cluster", ["mainnet-beta", "devnet", "testnet"])
async def test_a_known_cluster_is_told_by_its_genesis(cluster: str) -> None:
    async with ScriptedNode(getGenesisHash=result(GENESIS[cluster])) as node, Rpc([node.endpoint()]) as rpc:
        await rpc.check_cluster(cluster)
        await rpc.check_cluster(GENESIS[cluster])
        assert rpc.is_mainnet == (cluster == "mainnet-beta")
        for other in {"localnet", *GENESIS, str(Pubkey.default())} - {cluster}:
            with pytest.raises(WrongCluster, match=cluster):
                await rpc.check_cluster(other)


async def test_localnet_is_any_cluster_that_is_not_public() -> None:
    async with (
        ScriptedNode(getGenesisHash=result(str(Pubkey.default()))) as node,
        Rpc([node.endpoint()]) as rpc,
    ):
        await rpc.check_cluster("localnet")
        await rpc.check_cluster(str(Pubkey.default()))
        with pytest.raises(WrongCluster):
            await rpc.check_cluster("devnet")


async def test_the_second_endpoint_is_checked_too() -> None:
    mainnet, devnet = result(GENESIS["mainnet-beta"]), result(GENESIS["devnet"])
    async with (
        ScriptedNode(getGenesisHash=mainnet) as first,
        ScriptedNode(getGenesisHash=devnet) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        with pytest.raises(WrongCluster) as raised:
            await rpc.check_cluster("mainnet-beta")
        assert raised.value.endpoint == f"http://{second.host}"


async def test_an_endpoint_that_was_down_at_the_check_is_checked_before_its_first_use() -> None:
    time = FakeTime()
    mainnet, devnet = result(GENESIS["mainnet-beta"]), result(GENESIS["devnet"])
    async with (
        ScriptedNode(getGenesisHash=mainnet, getSlot=[result(1), DOWN]) as first,
        ScriptedNode(getGenesisHash=[DOWN, devnet], getSlot=result(2)) as second,
        Rpc([first.endpoint(), second.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        await rpc.check_cluster("mainnet-beta")
        assert await rpc.slot(FINALIZED) == 1
        time.now += 10
        with pytest.raises(WrongCluster):
            await rpc.slot(FINALIZED)


async def test_a_check_waits_for_a_node_that_is_starting() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getGenesisHash=[DOWN, DOWN, result(GENESIS["devnet"])]) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        await rpc.check_cluster("devnet")


async def test_a_batch_that_a_provider_finds_too_large_is_cut_until_it_fits_and_the_size_is_kept() -> None:
    sizes: list[int] = []

    def statuses(request: dict[str, Any]) -> Reply:
        signatures = request["params"][0]
        sizes.append(len(signatures))
        if len(signatures) > 5:
            return error(-32602, "Too many inputs provided; max 5")(request)
        found = [
            {"slot": int(signature), "confirmations": None, "err": None, "confirmationStatus": "finalized"}
            for signature in signatures
        ]
        return result({"context": {"slot": 100 + len(sizes)}, "value": found})(request)

    async with ScriptedNode(getSignatureStatuses=statuses) as node, Rpc([node.endpoint()]) as rpc:
        wanted = [str(number) for number in range(600)]
        answer = await rpc.statuses(wanted)
        assert [status.slot for status in answer.statuses if status] == list(range(600))
        assert answer.slot == 107, "the lowest slot counts"
        assert sizes[:7] == [256, 128, 64, 32, 16, 8, 4]
        assert max(sizes[7:]) == 4
        sizes.clear()
        await rpc.statuses(wanted[:8])
        assert sizes == [4, 4]


async def test_a_batch_refused_down_to_one_is_refused() -> None:
    async with ScriptedNode(getMultipleAccounts=error(-32602, "no")) as node, Rpc([node.endpoint()]) as rpc:
        with pytest.raises(RpcRejected):
            await rpc.accounts([Pubkey.default()] * 100, commitment=FINALIZED)
        assert rpc.calls["getMultipleAccounts"] == 8


async def test_one_refused_batch_does_not_leave_others_running() -> None:
    seen = 0

    def accounts(request: dict[str, Any]) -> Reply:
        nonlocal seen
        seen += 1
        keys = request["params"][0]
        if seen == 3:
            return error(-32601)(request)
        return result({"context": {"slot": 1}, "value": [None] * len(keys)})(request)

    options = RpcOptions(max_concurrency=1)
    async with ScriptedNode(getMultipleAccounts=accounts) as node, Rpc([node.endpoint()], options) as rpc:
        with pytest.raises(RpcRejected):
            await rpc.accounts([Pubkey.default()] * 1_000, commitment=FINALIZED)
        await asyncio.sleep(0.05)
        assert seen <= 4


async def test_fewer_values_than_asked_for_are_no_answer() -> None:
    short = result({"context": {"slot": 1}, "value": [None]})
    options = RpcOptions(retry_window_seconds=0.0)
    async with ScriptedNode(getMultipleAccounts=short) as node, Rpc([node.endpoint()], options) as rpc:
        with pytest.raises(MalformedAnswer):
            await rpc.accounts([Pubkey.default()] * 2, commitment=FINALIZED)


@pytest.mark.parametrize(
    ("last_valid", "height", "sane"),
    [
        (1_150, 1_000, True),
        (1_151, 1_000, True),
        (1_152, 1_000, False),
        (1_000, 1_000, False),
        (1_150, 5_000, False),
    ],
)
async def test_a_blockhash_of_a_node_whose_numbers_cannot_be_is_not_signed_with(
    last_valid: int, height: int, sane: bool
) -> None:
    blockhash = {"blockhash": str(Pubkey.default()), "lastValidBlockHeight": last_valid}
    answers = {
        "getLatestBlockhash": result({"context": {"slot": 1_010}, "value": blockhash}),
        "getBlockHeight": result(height),
    }
    options = RpcOptions(retry_window_seconds=0.0)
    async with ScriptedNode(**answers) as node, Rpc([node.endpoint()], options) as rpc:
        if sane:
            assert (await rpc.latest_blockhash(FINALIZED)).block_height == height
        else:
            with pytest.raises(MalformedAnswer):
                await rpc.latest_blockhash(FINALIZED)


async def test_on_mainnet_a_slot_given_as_height_is_seen_through_even_when_everything_is_in_slots() -> None:
    blockhash = {"blockhash": str(Pubkey.default()), "lastValidBlockHeight": 380_000_150}
    answers = {
        "getGenesisHash": result(GENESIS["mainnet-beta"]),
        "getLatestBlockhash": result({"context": {"slot": 380_000_000}, "value": blockhash}),
        "getBlockHeight": result(380_000_000),
    }
    options = RpcOptions(retry_window_seconds=0.0)
    async with ScriptedNode(**answers) as node, Rpc([node.endpoint()], options) as rpc:
        await rpc.check_cluster("mainnet-beta")
        with pytest.raises(MalformedAnswer, match="too close to slot"):
            await rpc.latest_blockhash(FINALIZED)
