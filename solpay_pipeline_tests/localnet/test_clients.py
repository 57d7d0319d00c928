"""The answers are read by the clients that the pipeline and the peer use."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solana.rpc.core import RPCException
from solana.rpc.models import DataSliceOpts, MemcmpOpts, TokenAccountOpts, TxOpts
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline_tests.localnet.ground import SOL, pay

NOT_SERVED = {
    "get_block_commitment",
    "get_inflation_governor",
    "get_inflation_rate",
    "get_inflation_reward",
    "get_largest_accounts",
    "get_leader_schedule",
    "get_supply",
}
"""What solana-py can ask and the embedded chain says of that it does not know it."""

Ask = Callable[[Callable[[AsyncClient], Awaitable[Any]]], Any]


@pytest.fixture
def ask(node: Node) -> Ask:
    def asked(question: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with AsyncClient(node.url) as client:
                return await question(client)

        return asyncio.run(run())

    return asked


def test_every_reading_method_parses(chain: Chain, seed: Seed, wallet: Keypair, ask: Ask) -> None:
    mint = seed.create_mint()
    fee_mint = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    paid = Signature.from_string(seed.pay_token(wallet.pubkey(), mint, 1_500_000))
    seed.pay_token(wallet.pubkey(), fee_mint, 7)
    slot = chain.tick()
    chain.advance(32)
    account, owner = seed.ata(wallet.pubkey(), mint), wallet.pubkey()

    async def read(client: AsyncClient) -> dict[str, Any]:
        blockhash = (await client.get_latest_blockhash()).value.blockhash
        message = MessageV0.try_compile(owner, [pay(wallet, Pubkey.new_unique(), SOL)], [], blockhash)
        answers = {
            "get_account_info": await client.get_account_info(account),
            "get_account_info_json_parsed": await client.get_account_info_json_parsed(account),
            "get_balance": await client.get_balance(owner, Processed),
            "get_block": await client.get_block(slot, max_supported_transaction_version=1),
            "get_block_height": await client.get_block_height(),
            "get_block_time": await client.get_block_time(slot),
            "get_blocks": await client.get_blocks(slot, slot + 2),
            "get_cluster_nodes": await client.get_cluster_nodes(),
            "get_epoch_info": await client.get_epoch_info(),
            "get_epoch_schedule": await client.get_epoch_schedule(),
            "get_fee_for_message": await client.get_fee_for_message(message),
            "get_first_available_block": await client.get_first_available_block(),
            "get_genesis_hash": await client.get_genesis_hash(),
            "get_identity": await client.get_identity(),
            "get_latest_blockhash": await client.get_latest_blockhash(),
            "get_minimum_balance_for_rent_exemption": await client.get_minimum_balance_for_rent_exemption(
                165
            ),
            "get_minimum_ledger_slot": await client.get_minimum_ledger_slot(),
            "get_multiple_accounts": await client.get_multiple_accounts([account, Pubkey.new_unique()]),
            "get_multiple_accounts_json_parsed": await client.get_multiple_accounts_json_parsed(
                [account, mint]
            ),
            "get_program_accounts": await client.get_program_accounts(
                TOKEN,
                encoding="base64",
                data_slice=DataSliceOpts(offset=0, length=32),
                filters=[165, MemcmpOpts(offset=32, bytes=str(owner))],
            ),
            "get_program_accounts_json_parsed": await client.get_program_accounts_json_parsed(
                TOKEN, filters=[82]
            ),
            "get_recent_performance_samples": await client.get_recent_performance_samples(1),
            "get_recent_prioritization_fees": await client.get_recent_prioritization_fees(),
            "get_signature_statuses": await client.get_signature_statuses([paid], True),
            "get_signatures_for_address": await client.get_signatures_for_address(
                account, commitment=Confirmed
            ),
            "get_slot": await client.get_slot(Finalized),
            "get_slot_leader": await client.get_slot_leader(),
            "get_slot_leaders": await client.get_slot_leaders(slot, 3),
            "get_token_accounts_by_delegate": await client.get_token_accounts_by_delegate(
                owner, TokenAccountOpts(mint=mint)
            ),
            "get_token_accounts_by_delegate_json_parsed": (
                await client.get_token_accounts_by_delegate_json_parsed(
                    owner, TokenAccountOpts(program_id=TOKEN)
                )
            ),
            "get_token_largest_accounts": await client.get_token_largest_accounts(mint),
            "get_token_account_balance": await client.get_token_account_balance(account),
            "get_token_accounts_by_owner": await client.get_token_accounts_by_owner(
                owner, TokenAccountOpts(mint=mint)
            ),
            "get_token_accounts_by_owner_json_parsed": await client.get_token_accounts_by_owner_json_parsed(
                owner, TokenAccountOpts(program_id=TOKEN_2022)
            ),
            "get_token_supply": await client.get_token_supply(mint),
            "get_transaction_count": await client.get_transaction_count(),
            "get_version": await client.get_version(),
            "get_vote_accounts": await client.get_vote_accounts(),
        }
        for encoding in ("json", "jsonParsed", "base64", "base58"):
            answers[f"get_transaction {encoding}"] = await client.get_transaction(
                paid, encoding, max_supported_transaction_version=1
            )
        return answers

    answers = ask(read)
    refused = {name: answer for name, answer in answers.items() if not type(answer).__name__.endswith("Resp")}
    assert refused == {}
    reading = {name for name in dir(AsyncClient) if name.startswith("get_")}
    assert reading - {name.split()[0] for name in answers} == NOT_SERVED
    assert answers["get_token_largest_accounts"].value[0].amount.amount == "1500000"
    assert mint in [each.pubkey for each in answers["get_program_accounts_json_parsed"].value]
    assert answers["get_token_account_balance"].value.amount == "1500000"
    assert answers["get_account_info"].value.owner == TOKEN
    assert answers["get_account_info_json_parsed"].value.data.parsed["info"]["tokenAmount"]["uiAmount"] == 1.5
    assert answers["get_multiple_accounts"].value[1] is None
    assert [each.pubkey for each in answers["get_program_accounts"].value] == [account]
    assert [each.pubkey for each in answers["get_token_accounts_by_owner"].value] == [account]
    assert [each.pubkey for each in answers["get_token_accounts_by_owner_json_parsed"].value] == [
        seed.ata(owner, fee_mint)
    ]
    assert answers["get_fee_for_message"].value == 5_000
    assert answers["get_genesis_hash"].value == chain.genesis_hash
    assert answers["get_signatures_for_address"].value[0].signature == paid
    balances = answers["get_transaction json"].value.transaction.meta.post_token_balances
    assert {each.ui_token_amount.amount for each in balances} == {"0", "1500000"}
    wire = answers["get_transaction base64"].value.transaction.transaction
    assert wire.signatures[0] == paid


@pytest.mark.parametrize("encoding", ["json", "jsonParsed", "base64"])
def test_a_version_1_transaction_parses(
    chain: Chain, seed: Seed, wallet: Keypair, ask: Ask, encoding: str
) -> None:
    paid = Signature.from_string(seed.pay_sol(wallet.pubkey(), SOL, version=1))
    chain.advance(32)
    answer = ask(lambda client: client.get_transaction(paid, encoding, max_supported_transaction_version=1))
    assert answer.value.transaction.version == 1
    assert answer.value.transaction.meta.post_balances[1] == SOL


def test_a_transaction_is_sent_simulated_and_confirmed(
    chain: Chain, rich: Keypair, wallet: Keypair, ask: Ask
) -> None:
    async def send(client: AsyncClient) -> tuple[Any, Any, Any]:
        latest = (await client.get_latest_blockhash()).value
        message = MessageV0.try_compile(
            rich.pubkey(), [pay(rich, wallet.pubkey(), SOL)], [], latest.blockhash
        )
        transaction = VersionedTransaction(message, [rich])
        simulated = await client.simulate_transaction(transaction, sig_verify=True)
        sent = await client.send_transaction(transaction, TxOpts(skip_preflight=False))
        chain.advance(32)
        return simulated, sent, await client.confirm_transaction(sent.value, Finalized, sleep_seconds=0.01)

    simulated, sent, confirmed = ask(send)
    assert simulated.value.err is None
    assert simulated.value.units_consumed == 150
    assert confirmed.value[0].err is None
    assert chain.history.get(str(sent.value)) is not None


def test_a_preflight_failure_parses_with_its_logs(rich: Keypair, wallet: Keypair, ask: Ask) -> None:
    async def send(client: AsyncClient) -> Any:
        latest = (await client.get_latest_blockhash()).value
        message = MessageV0.try_compile(
            rich.pubkey(), [pay(rich, wallet.pubkey(), 100 * SOL)], [], latest.blockhash
        )
        transaction = VersionedTransaction(message, [rich])
        simulated = await client.simulate_transaction(transaction)
        with pytest.raises(Exception, match="custom program error: 0x1") as raised:
            await client.send_transaction(transaction)
        return simulated, raised.value

    simulated, error = ask(send)
    assert str(simulated.value.err) == str(error.args[0].data.err)
    assert "Transfer: insufficient lamports" in error.args[0].data.logs[1]


def test_what_is_not_served_is_an_unknown_method(ask: Ask) -> None:
    with pytest.raises(RPCException, match="Method not found"):
        ask(lambda client: client.get_supply())


def test_it_is_connected(ask: Ask) -> None:
    assert ask(lambda client: client.is_connected())


def test_an_airdrop_request_parses(wallet: Keypair, ask: Ask) -> None:
    async def airdrop(client: AsyncClient) -> int:
        await client.request_airdrop(wallet.pubkey(), SOL)
        balance: int = (await client.get_balance(wallet.pubkey(), Processed)).value
        return balance

    assert ask(airdrop) == SOL
