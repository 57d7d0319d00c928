"""What an answer is about decides who is asked next: the node, our question, or one item among many."""

import math
from typing import Any

import pytest
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.answers import Untold
from solpay_pipeline.chain.rpc.batching import GROWS_AFTER_SECONDS
from solpay_pipeline.chain.rpc.client import Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import (
    Forbidden,
    MethodMissing,
    RateLimited,
    Refused,
    RpcRejected,
    Unanswered,
    Unreachable,
)
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

FINALIZED = Commitment.FINALIZED
LIMITED = error(-32007, "15/second request limit reached")
INTERNAL = error(-32603, "Internal error")
OWNER = "11111111111111111111111111111111"
ACCOUNT = {"lamports": 5, "data": ["", "base64"], "owner": OWNER, "executable": False, "rentEpoch": 0}
RECEIVER = Pubkey.new_unique()
KEYS = [Pubkey.new_unique() for _ in range(1_000)]


def transaction(request: dict[str, Any]) -> Reply:
    meta = {"err": None, "fee": 5000, "preBalances": [], "postBalances": []}
    return result({"slot": 5, "meta": meta, "transaction": {"message": {"accountKeys": []}}})(request)


def accounts(request: dict[str, Any]) -> Reply:
    keys = request["params"][0]
    return result({"context": {"slot": 9}, "value": [ACCOUNT] * len(keys)})(request)


def unless(bad: set[str], answer: Answer, otherwise: Answer) -> Answer:
    """`answer` where one of the `bad` items is asked for."""

    def answered(request: dict[str, Any]) -> Reply:
        asked = request["params"][0]
        items = set(asked) if isinstance(asked, list) else {asked}
        return (answer if items & bad else otherwise)(request)

    return answered


# -- the node ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("code", [-32001, -32601, -32602, -32015, -31999])
async def test_a_status_of_the_node_outweighs_its_body_and_the_next_endpoint_is_asked(
    status: int, code: int
) -> None:
    async with (
        ScriptedNode(getSlot=error(code, "no", status=status)) as first,
        ScriptedNode(getSlot=result(2)) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert await rpc.slot(FINALIZED) == 2


async def test_a_status_of_the_node_passes_where_it_is_the_only_one() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getSlot=[error(-32001, "no", status=503), error(-31999), result(1)]) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        assert await rpc.slot(FINALIZED) == 1


async def test_trouble_with_one_method_is_not_told_of_another() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getSlot=INTERNAL, getBlockHeight=result(3), getBalance=LIMITED) as node,
        Rpc([node.endpoint()], RpcOptions(retry_window_seconds=0), clock=time.clock, sleep=time.sleep) as rpc,
    ):
        with pytest.raises(Refused):
            await rpc.slot(FINALIZED)
        assert await rpc.block_height(FINALIZED) == 3
        with pytest.raises(RateLimited):
            await rpc.balance(RECEIVER, FINALIZED)
        with pytest.raises(RateLimited) as told:
            await rpc.block_height(FINALIZED)
        assert "getBalance" not in str(told.value)
        assert rpc.calls["getBlockHeight"] == 1


async def test_a_method_that_a_key_does_not_buy_keeps_no_other_from_being_asked() -> None:
    async with (
        ScriptedNode(getRecentPrioritizationFees=verbatim("", status=403), getSlot=result(1)) as node,
        Rpc([node.endpoint()]) as rpc,
    ):
        for _ in range(2):
            with pytest.raises(Forbidden):
                await rpc.recent_priority_fees([])
        assert await rpc.slot(FINALIZED) == 1
        assert rpc.calls["getRecentPrioritizationFees"] == 1


# -- our question -----------------------------------------------------------------------------------------------------


async def test_each_endpoint_is_asked_once_before_our_question_is_wrong() -> None:
    async with (
        ScriptedNode(getSlot=error(-32602), getBalance=error(-32602)) as first,
        ScriptedNode(getSlot=result(2), getBalance=error(-32602)) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert await rpc.slot(FINALIZED) == 2
        with pytest.raises(RpcRejected):
            await rpc.balance(RECEIVER, FINALIZED)
        assert rpc.calls == {"getSlot": 2, "getBalance": 2}


async def test_a_method_that_an_endpoint_does_not_have_is_asked_of_it_once_in_a_run() -> None:
    async with (
        ScriptedNode(getSlot=error(-32601)) as first,
        ScriptedNode(getSlot=result(2)) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert [await rpc.slot(FINALIZED) for _ in range(3)] == [2, 2, 2]
        assert len(first.requests) == 1


async def test_a_method_that_nobody_has_is_missing() -> None:
    async with (
        ScriptedNode(getSlot=error(-32601)) as first,
        ScriptedNode(getSlot=verbatim("", status=410)) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        with pytest.raises(MethodMissing):
            await rpc.slot(FINALIZED)


# -- sizes ------------------------------------------------------------------------------------------------------------


async def test_a_limit_on_requests_makes_no_batch_smaller() -> None:
    time = FakeTime()
    answers = [LIMITED] * 6
    async with (
        ScriptedNode(getMultipleAccounts=[*answers, accounts]) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        found = await rpc.accounts(KEYS, commitment=FINALIZED)
        assert len(found.accounts) == 1_000
        assert rpc.calls["getMultipleAccounts"] == 6 + 10


async def test_a_batch_that_was_cut_for_its_size_grows_again() -> None:
    time = FakeTime()
    cap = 10

    def capped(request: dict[str, Any]) -> Reply:
        too_many = len(request["params"][0]) > cap
        return (error(-32602, "Too many inputs provided") if too_many else accounts)(request)

    async with (
        ScriptedNode(getMultipleAccounts=capped) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        await rpc.accounts(KEYS, commitment=FINALIZED)
        cap = 100
        for _ in range(5):
            time.now += GROWS_AFTER_SECONDS
            await rpc.accounts(KEYS[:100], commitment=FINALIZED)
        rpc.calls.clear()
        await rpc.accounts(KEYS, commitment=FINALIZED)
        assert rpc.calls["getMultipleAccounts"] == 10


# -- one item ---------------------------------------------------------------------------------------------------------


UNREADABLE = result({"slot": 5, "meta": None, "transaction": {"message": {"accountKeys": []}}})


@pytest.mark.parametrize(
    "answer", [INTERNAL, error(-32009, "not in long-term storage"), error(-32602), UNREADABLE]
)
async def test_a_transaction_that_one_endpoint_cannot_answer_about_is_asked_of_the_next(
    answer: Answer,
) -> None:
    async with (
        ScriptedNode(getTransaction=unless({"bad"}, answer, transaction)) as first,
        ScriptedNode(getTransaction=transaction) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert await rpc.transaction("bad", commitment=FINALIZED)
        assert await rpc.transaction("good", commitment=FINALIZED)
        assert len(first.requests) == 2, "the endpoint is not left alone for it"


@pytest.mark.parametrize(
    "answer", [INTERNAL, error(-32009, "not in long-term storage"), error(-32602), UNREADABLE]
)
@pytest.mark.parametrize("nodes", [1, 2])
async def test_what_no_endpoint_answers_about_is_that_items_while_a_known_one_is_answered(
    answer: Answer, nodes: int
) -> None:
    time = FakeTime()
    script = unless({"bad"}, answer, transaction)
    async with (
        ScriptedNode(getTransaction=script) as first,
        ScriptedNode(getTransaction=script) as second,
        Rpc([first.endpoint(), second.endpoint()][:nodes], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        rpc.know(RECEIVER, "known")
        with pytest.raises(Unanswered):
            await rpc.transaction("bad", commitment=FINALIZED)
        assert rpc.calls["getTransaction"] <= 2 * nodes + 1
        assert await rpc.transaction("good", commitment=FINALIZED)
    assert sum(time.slept) < 1


async def test_the_node_is_at_fault_where_it_does_not_answer_about_a_known_item_either() -> None:
    time = FakeTime()
    async with (
        ScriptedNode(getTransaction=INTERNAL) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        rpc.know(RECEIVER, "known")
        with pytest.raises(Refused):
            await rpc.transaction("bad", commitment=FINALIZED)
    assert time.now <= 1_000 + RpcOptions().retry_window_seconds


async def test_a_node_that_is_down_is_no_items_fault() -> None:
    async with (
        ScriptedNode(getTransaction=verbatim("", status=503)) as node,
        Rpc([node.endpoint()], RpcOptions(retry_window_seconds=0)) as rpc,
    ):
        with pytest.raises(Unreachable):
            await rpc.transaction("bad", commitment=FINALIZED)


async def test_a_listed_transaction_that_one_endpoint_has_forgotten_is_asked_of_the_next() -> None:
    async with (
        ScriptedNode(getTransaction=result(None)) as first,
        ScriptedNode(getTransaction=transaction) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        assert await rpc.listed_transaction("x", commitment=FINALIZED)
        assert await rpc.transaction("x", commitment=FINALIZED) is None


NO_NUMBER = result({"context": {"slot": 9}, "value": [ACCOUNT | {"lamports": 1.5}]})


@pytest.mark.parametrize("answer", [INTERNAL, NO_NUMBER])
async def test_an_account_that_is_unreadable_at_one_endpoint_is_read_at_the_next(answer: Answer) -> None:
    async with (
        ScriptedNode(getMultipleAccounts=answer) as first,
        ScriptedNode(getMultipleAccounts=accounts) as second,
        Rpc([first.endpoint(), second.endpoint()]) as rpc,
    ):
        found = await rpc.accounts(KEYS[:1], commitment=FINALIZED)
        assert [one.lamports for one in found.accounts if one and not isinstance(one, Untold)] == [5]


@pytest.mark.parametrize("bad", [1, 30])
async def test_of_a_thousand_accounts_the_few_bad_ones_are_found_by_halving(bad: int) -> None:
    time = FakeTime()
    unreadable = {str(key) for key in KEYS[:: 1_000 // bad][:bad]}
    script = unless(unreadable, INTERNAL, accounts)
    async with (
        ScriptedNode(getMultipleAccounts=script) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        rpc.know(RECEIVER, None)
        found = await rpc.accounts(KEYS, commitment=FINALIZED)
        untold = {str(key) for key, one in zip(KEYS, found.accounts, strict=True) if isinstance(one, Untold)}
        assert untold == unreadable
        assert found.slot == 9
        # Each step down asks for two halves, and in the end for the bad one twice; once for what is known.
        assert rpc.calls["getMultipleAccounts"] <= 10 + bad * (2 * math.ceil(math.log2(100)) + 1) + 1


async def test_rent_epochs_that_no_program_writes_are_not_read() -> None:
    odd = result({"context": {"slot": 9}, "value": [ACCOUNT | {"rentEpoch": 18446744073709552000}]})
    less = result({"context": {"slot": 9}, "value": [{k: v for k, v in ACCOUNT.items() if k != "rentEpoch"}]})
    async with ScriptedNode(getMultipleAccounts=[odd, less]) as node, Rpc([node.endpoint()]) as rpc:
        for _ in range(2):
            (found,) = (await rpc.accounts(KEYS[:1], commitment=FINALIZED)).accounts
            assert found is not None
            assert not isinstance(found, Untold)


async def test_a_limit_is_no_slot_without_a_block() -> None:
    time = FakeTime()
    skipped = error(-32007, "Slot 5 was skipped, or missing due to ledger jump to recent snapshot")
    async with (
        ScriptedNode(getBlockTime=[LIMITED, result(1_700_000_000), skipped]) as node,
        Rpc([node.endpoint()], clock=time.clock, sleep=time.sleep) as rpc,
    ):
        assert await rpc.block_time(5) is not None
        assert await rpc.block_time(5) is None
        assert rpc.calls["getBlockTime"] == 3
