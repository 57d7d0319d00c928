"""What the client reads from a chain that really ran the transactions."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import NodeBehind, Unanswered
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline_tests.rooms.chain.scripted import ScriptedNode, error, result

pytestmark = pytest.mark.anyio

CONFIRMED = Commitment.CONFIRMED
FINALIZED = Commitment.FINALIZED


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running(Chain(ChainConfig(clock="manual"))) as node:
        yield node


@pytest.fixture(scope="module")
def seed(node: Node) -> Seed:
    return Seed(node.chain)


def client(node: Node, **options: Any) -> Rpc:
    return Rpc([Endpoint(SecretStr(node.url))], RpcOptions(**options))


async def test_accounts_come_back_in_order_over_many_calls_with_none_for_the_missing(
    node: Node, seed: Seed
) -> None:
    wallets = [Keypair().pubkey() for _ in range(250)]
    for number in range(0, 250, 50):
        seed.airdrop(wallets[number], 10**9 + number)
    node.chain.advance(40)
    async with client(node) as rpc:
        found = await rpc.accounts(wallets, commitment=FINALIZED, min_context_slot=1)
        assert rpc.calls == {"getMultipleAccounts": 3}
    assert {i: a.lamports for i, a in enumerate(found.accounts) if a} == {
        n: 10**9 + n for n in range(0, 250, 50)
    }
    assert found.slot == node.chain.slot_at("finalized")


async def test_asking_for_a_slot_that_is_not_there_yet_is_a_node_that_is_behind(node: Node) -> None:
    async with client(node, retry_window_seconds=0.0) as rpc:
        with pytest.raises(NodeBehind):
            await rpc.accounts([Pubkey.default()], commitment=FINALIZED, min_context_slot=10**9)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("program", [TOKEN, TOKEN_2022])
async def test_a_token_payment_of_any_version_is_read_by_its_balances(
    node: Node, seed: Seed, program: Pubkey, version: int
) -> None:
    mint, wallet = seed.create_mint(6, program), Keypair().pubkey()
    account = seed.create_ata(wallet, mint)
    signature = seed.pay_token(wallet, mint, 2_500_000, version=version)
    node.chain.advance(40)
    async with client(node) as rpc:
        record = await rpc.transaction(signature, commitment=FINALIZED)
        assert await rpc.transaction(str(Keypair().sign_message(b"")), commitment=FINALIZED) is None
        history = (await rpc.history_page(account, commitment=FINALIZED)).records
        ((held, state),) = await rpc.token_accounts_by_owner(wallet, program, FINALIZED)
    assert record is not None
    assert (record.version, record.err, record.fee > 0) == (version, None, True)
    assert isinstance(record.block_time, datetime)
    assert record.block_time.tzinfo is UTC
    after = {balance.owner: balance for balance in record.post_token_balances}[wallet]
    assert (after.amount, after.mint, after.program, after.decimals) == (2_500_000, mint, program, 6)
    assert record.account_keys[after.account_index] == account == held
    assert state.owner == program
    assert sum(record.pre_balances) - record.fee == sum(record.post_balances)
    assert [(line.signature, line.slot, line.err) for line in history[:1]] == [(signature, record.slot, None)]


async def test_pages_of_a_history_follow_each_other(node: Node, seed: Seed) -> None:
    wallet = Keypair().pubkey()
    paid = [seed.pay_sol(wallet, 10**9 + number) for number in range(5)][::-1]
    node.chain.advance(2)
    async with client(node) as rpc:
        first = (await rpc.history_page(wallet, commitment=CONFIRMED, limit=2)).records
        rest = (await rpc.history_page(wallet, commitment=CONFIRMED, before=first[-1].signature)).records
        newer = (await rpc.history_page(wallet, commitment=CONFIRMED, until=paid[1])).records
        assert await rpc.balance(wallet, CONFIRMED) == 5 * 10**9 + 10
    assert [line.signature for line in first + rest] == paid
    assert [line.signature for line in newer] == paid[:1]


async def test_statuses_tell_how_settled_a_transaction_is(node: Node, seed: Seed) -> None:
    signature, unknown = seed.pay_sol(Keypair().pubkey(), 10**9), str(Keypair().sign_message(b"x"))
    async with client(node) as rpc:
        seen = []
        for slots in (1, 40):
            node.chain.advance(slots)
            status, nothing = (await rpc.statuses([signature, unknown])).statuses
            assert nothing is None
            assert status is not None
            seen.append(status.confirmation)
    assert seen == [CONFIRMED, FINALIZED]


async def test_plain_questions_have_plain_answers(node: Node) -> None:
    async with client(node) as rpc:
        await rpc.check_cluster("localnet")
        assert await rpc.is_healthy()
        assert await rpc.minimum_balance(165) == node.chain.minimum_balance(165)
        assert await rpc.genesis_hash() == str(node.chain.genesis_hash)
        assert await rpc.slot(CONFIRMED) - await rpc.slot(FINALIZED) == 31
        assert await rpc.block_height(CONFIRMED) == await rpc.slot(CONFIRMED)
        assert await rpc.first_available_block() <= await rpc.slot(FINALIZED)
        assert isinstance(await rpc.block_time(await rpc.slot(CONFIRMED)), datetime)
        assert len(await rpc.recent_priority_fees([])) <= 150


async def test_many_calls_share_few_connections(node: Node) -> None:
    before = node.connections
    async with client(node) as rpc:
        await asyncio.gather(*(rpc.slot(CONFIRMED) for _ in range(100)))
    assert node.connections - before <= RpcOptions().max_concurrency


async def test_a_node_that_says_it_is_behind_is_not_healthy() -> None:
    async with (
        ScriptedNode(getHealth=error(-32005, "Node is behind by 99 slots", {"numSlotsBehind": 99})) as node,
        Rpc([node.endpoint()]) as rpc,
    ):
        assert not await rpc.is_healthy()


GOOD_META: dict[str, Any] = {
    "err": None,
    "fee": 5000,
    "preBalances": [10, 0, 1],
    "postBalances": [5, 0, 1],
    "preTokenBalances": [],
    "postTokenBalances": [],
    "loadedAddresses": {"writable": [str(Pubkey.default())], "readonly": [str(Pubkey.default())]},
    "logMessages": None,
}


def transaction(**meta: object) -> dict[str, Any]:
    return {
        "slot": 5,
        "blockTime": None,
        "version": 0,
        "meta": GOOD_META | meta,
        "transaction": {"signatures": ["x"], "message": {"accountKeys": [str(Pubkey.default())]}},
    }


async def test_addresses_from_lookup_tables_are_counted_in() -> None:
    async with ScriptedNode(getTransaction=result(transaction())) as node, Rpc([node.endpoint()]) as rpc:
        record = await rpc.transaction("x", commitment=FINALIZED)
    assert record is not None
    assert (len(record.account_keys), record.block_time, record.logs) == (3, None, ())


@pytest.mark.parametrize(
    "answer",
    [
        {"slot": 5},
        transaction() | {"meta": None},
        transaction(preBalances=[1, 2]),
        transaction(postBalances=[1, 2]),
        transaction(fee="5000"),
        transaction(fee=-1),
        transaction(loadedAddresses=None),
        transaction(postTokenBalances=[{"accountIndex": 9, "mint": str(Pubkey.default())}]),
        transaction(
            postTokenBalances=[
                {"accountIndex": 0, "mint": "?", "uiTokenAmount": {"amount": "1", "decimals": 0}}
            ]
        ),
        "text",
    ],
)
async def test_a_transaction_that_does_not_add_up_is_that_transactions_trouble(answer: object) -> None:
    options = RpcOptions(retry_window_seconds=0.0)
    async with ScriptedNode(getTransaction=result(answer)) as node, Rpc([node.endpoint()], options) as rpc:
        with pytest.raises(Unanswered):
            await rpc.transaction("x", commitment=FINALIZED)
