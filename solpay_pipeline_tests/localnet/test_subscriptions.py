"""Subscriptions, read by solana-py's WebSocket client and by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from solana.rpc.commitment import Confirmed, Processed
from solana.rpc.websocket_api import SolanaWsClient
from solders.keypair import Keypair
from solders.rpc.config import RpcTransactionLogsFilterMentions
from solders.signature import Signature
from websockets.asyncio.client import connect as plain
from websockets.exceptions import ConnectionClosed

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import Seed
from solpay_pipeline_tests.localnet.ground import SOL

WAIT_SECONDS = 10.0


def heard(node: Node, ask: Callable[[SolanaWsClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with SolanaWsClient(node.ws_url) as socket:
            return await asyncio.wait_for(ask(socket), WAIT_SECONDS)

    return asyncio.run(run())


async def told(socket: SolanaWsClient) -> Any:
    return (await socket.recv()).result


def test_slots_are_told_one_by_one(node: Node, chain: Chain) -> None:
    async def ask(socket: SolanaWsClient) -> list[Any]:
        await socket.slot_subscribe()
        chain.advance(3)
        return [await told(socket) for _ in range(3)]

    first = chain.tick()
    slots = heard(node, ask)
    assert [each.slot for each in slots] == [first + 1, first + 2, first + 3]
    assert [each.parent for each in slots] == [first, first + 1, first + 2]
    assert slots[-1].root == first + 3 - 32


def test_a_signature_is_told_once_when_it_reaches_the_level(
    node: Node, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    async def ask(socket: SolanaWsClient) -> Any:
        paid = Signature.from_string(seed.pay_sol(wallet.pubkey(), SOL))
        await socket.signature_subscribe(signature=paid, commitment=Confirmed)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        chain.advance()
        found = await told(socket)
        chain.advance(40)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        return found

    assert heard(node, ask).value.err is None


def test_an_account_is_told_at_its_level(node: Node, chain: Chain, seed: Seed, wallet: Keypair) -> None:
    async def ask(socket: SolanaWsClient) -> list[int]:
        await socket.account_subscribe(pubkey=wallet.pubkey(), commitment=Confirmed, encoding="base64")
        lamports = []
        for _ in range(2):
            seed.pay_sol(wallet.pubkey(), SOL)
            chain.advance()
            lamports.append((await told(socket)).value.lamports)
        return lamports

    assert heard(node, ask) == [SOL, 2 * SOL]


def test_an_account_too_long_for_base_58_is_told_without_its_data_and_the_rest_goes_on(
    node: Node, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    mint = seed.create_mint()
    ata = seed.create_ata(wallet.pubkey(), mint)

    async def ask() -> list[Any]:
        async with plain(node.ws_url) as socket:
            for options in ([], [{"encoding": "base58"}], [{"encoding": "base64"}]):
                body = {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "accountSubscribe",
                    "params": [str(ata), *options],
                }
                await socket.send(json.dumps(body))
                await socket.recv()
            seed.mint_to(wallet.pubkey(), mint, 5)
            chain.advance(40)
            news = [json.loads(await socket.recv())["params"] for _ in range(3)]
            return [one["result"]["value"] for one in sorted(news, key=lambda one: one["subscription"])]

    bare, base58, base64 = asyncio.run(asyncio.wait_for(ask(), 20))
    words = "error: data too large for bs58 encoding"
    assert (bare["data"], base58["data"], base64["data"][1]) == (words, [words, "base58"], "base64")
    assert (bare["space"], bare["owner"]) == (165, base64["owner"])


def test_logs_are_told_of_all_or_of_those_who_name_an_address(
    node: Node, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    async def ask(socket: SolanaWsClient) -> tuple[str, str]:
        await socket.logs_subscribe(
            filter_=RpcTransactionLogsFilterMentions(wallet.pubkey()), commitment=Processed
        )
        seed.pay_sol(Keypair().pubkey(), SOL)
        paid = seed.pay_sol(wallet.pubkey(), SOL)
        return paid, str((await told(socket)).value.signature)

    paid, found = heard(node, ask)
    assert paid == found


def test_what_a_fork_puts_in_the_place_of_a_block_is_told(node: Node, chain: Chain, seed: Seed) -> None:
    async def ask(socket: SolanaWsClient) -> list[str]:
        await socket.logs_subscribe(commitment=Processed)
        found = []
        for _ in range(2):
            seed.pay_sol(Keypair().pubkey(), SOL)
            found.append(str((await told(socket)).value.signature))
            chain.fork()
            seed.airdrop(seed.customer.pubkey(), 10 * SOL)
            found.append(str((await told(socket)).value.signature))
        return found

    chain.advance(32)
    assert len(set(heard(node, ask))) == 4


def test_subscriptions_end_and_nonsense_is_refused(node: Node, chain: Chain, wallet: Keypair) -> None:
    async def ask() -> list[Any]:
        async with plain(node.ws_url) as socket:

            async def answer(method: str, *params: object) -> Any:
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
                await socket.send(json.dumps(body))
                return json.loads(await socket.recv())

            number = (await answer("slotSubscribe"))["result"]
            found = [
                (await answer("slotUnsubscribe", number))["result"],
                (await answer("slotUnsubscribe", number))["error"]["code"],
                (await answer("accountUnsubscribe", 99))["error"]["message"],
                (await answer("accountSubscribe", "nobody"))["error"]["code"],
                (await answer("logsSubscribe", {"mentions": []}))["error"]["code"],
                (await answer("signatureSubscribe"))["error"]["code"],
                (await answer("getSlot"))["error"]["code"],
                (await answer("voteSubscribe"))["error"]["code"],
            ]
            chain.advance()
            await socket.send("{")
            found.append(json.loads(await socket.recv())["error"]["code"])
            await socket.send("7")
            found.append(json.loads(await socket.recv())["error"]["code"])
            await socket.send('{"jsonrpc":"2.0","method":"ping"}')
            node.faults.add(Fault("rate_limit_body", times=1))
            found.append((await answer("slotSubscribe"))["error"]["code"])
            node.faults.add(Fault("drop_before"))
            with pytest.raises(ConnectionClosed):
                await answer("slotSubscribe")
            return found

    found = asyncio.run(asyncio.wait_for(ask(), WAIT_SECONDS))
    assert found == [
        True,
        -32602,
        "Invalid subscription id.",
        -32602,
        -32602,
        -32602,
        -32601,
        -32601,
        -32700,
        -32600,
        -32429,
    ]


def test_a_signature_s_arrival_is_told_where_it_is_asked_for(
    node: Node, chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    async def ask() -> list[Any]:
        async with plain(node.ws_url) as socket:
            paid = seed.pay_sol(wallet.pubkey(), SOL)
            params = [paid, {"commitment": "finalized", "enableReceivedNotification": True}]
            body = {"jsonrpc": "2.0", "id": 1, "method": "signatureSubscribe", "params": params}
            await socket.send(json.dumps(body))
            await socket.recv()
            values = [json.loads(await socket.recv())["params"]["result"]["value"]]
            chain.advance(32)
            values.append(json.loads(await socket.recv())["params"]["result"]["value"])
            return values

    assert asyncio.run(asyncio.wait_for(ask(), WAIT_SECONDS)) == ["receivedSignature", {"err": None}]
