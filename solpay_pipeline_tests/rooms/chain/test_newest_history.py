"""As little of a wallet's history is read as proves what its balance says; where that is not enough, nothing is said."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from solpay_pipeline.chain.reading.addresses import associated_token_address
from solpay_pipeline.chain.reading.history import NEWEST, History, read_newest
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent
from solpay_pipeline.lifecycle.holdings import Mint
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline.localnet.server.server import Node, running
from solpay_pipeline_tests.rooms.chain.ground import Ground

pytestmark = pytest.mark.anyio


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
def node(ground: Ground) -> Iterator[Node]:
    with running(ground.chain) as node:
        yield node


class Wallet:
    """A one-time wallet with two token accounts that one transaction has opened, as the peer's service does."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.keypair = ground.keypair()
        self.owner = self.keypair.pubkey()
        self.mints = [ground.mint(), ground.mint()]
        self.opened = self._open()
        ground.chain.warp(5)
        self.made_at = datetime.fromtimestamp(ground.chain.block_time(ground.chain.tick()), tz=UTC)
        ground.chain.warp(5)

    def ata(self, mint: Mint) -> Pubkey:
        return associated_token_address(self.owner, mint.address, mint.program)

    def sends_home(self, lamports: int) -> TransactionRecord:
        moved = TransferParams(from_pubkey=self.owner, to_pubkey=self.ground.receiver, lamports=lamports)
        return self.ground.run([transfer(moved)], self.keypair)

    def _open(self) -> TransactionRecord:
        payer = self.ground.fee_payer.pubkey()
        return self.ground.run(
            [create_ata_idempotent(payer, self.owner, mint.address, mint.program) for mint in self.mints]
        )


async def newest(
    node: Node,
    wallet: Wallet,
    address: Pubkey,
    mint: Pubkey | None,
    balance: int,
    made_at: datetime | None = None,
) -> tuple[History | None, int]:
    """What was told, and in how many calls about transactions."""
    wallet.ground.chain.advance(5)
    node.calls.clear()
    async with Rpc([Endpoint(SecretStr(node.url))], RpcOptions(retry_window_seconds=0)) as rpc:
        told = await read_newest(
            rpc,
            wallet.owner,
            address,
            mint=mint,
            balance=balance,
            made_at=made_at or wallet.made_at,
            commitment=Commitment.CONFIRMED,
        )
    return told, node.calls["getSignaturesForAddress"] + node.calls["getTransaction"]


async def test_that_nothing_came_to_an_empty_wallet_takes_one_call(ground, node):
    wallet = Wallet(ground)
    told, calls = await newest(node, wallet, wallet.owner, None, 0)
    assert (told.statement.money, calls) == ((), 1)


async def test_a_payment_in_lamports_is_found_without_reading_what_opened_the_accounts(ground, node):
    wallet = Wallet(ground)
    record = ground.pay(wallet.owner, 900_000)
    told, calls = await newest(node, wallet, wallet.owner, None, 900_000)
    assert [(flow.signature, flow.amount) for flow in told.statement.money] == [(record.signature, 900_000)]
    assert calls == 2


async def test_a_payment_in_tokens_is_found_by_its_account_alone(ground, node):
    wallet = Wallet(ground)
    mint, other = wallet.mints
    ground.mint_to(wallet.ata(mint), mint, 5_000_000)
    told, calls = await newest(node, wallet, wallet.ata(mint), mint.address, 5_000_000)
    assert [(flow.asset, flow.amount) for flow in told.statement.money] == [(mint.address, 5_000_000)]
    assert calls == 2
    assert other.address not in {flow.asset for flow in told.statement.money}


async def test_several_payments_that_add_up_are_told_oldest_first(ground, node):
    wallet = Wallet(ground)
    ground.pay(wallet.owner, 900_000)
    ground.pay(wallet.owner, 400_000)
    told, calls = await newest(node, wallet, wallet.owner, None, 1_300_000)
    assert [flow.amount for flow in told.statement.money] == [900_000, 400_000]
    assert calls == 3


async def test_money_that_came_and_left_an_empty_wallet_is_seen_to_have_left(ground, node):
    wallet = Wallet(ground)
    ground.pay(wallet.owner, 900_000)
    wallet.sends_home(900_000)
    told, _ = await newest(node, wallet, wallet.owner, None, 0)
    assert [flow.amount for flow in told.statement.money] == [900_000, -900_000]


async def test_tokens_that_came_and_left_leave_a_transaction_that_the_wallet_signed(ground, node):
    wallet = Wallet(ground)
    mint = wallet.mints[0]
    ground.mint_to(wallet.ata(mint), mint, 5_000_000)
    ground.send_tokens(wallet.keypair, ground.receiver, mint, 5_000_000)
    told, calls = await newest(node, wallet, wallet.owner, None, 0)
    assert [(flow.asset, flow.amount) for flow in told.statement.money] == [(mint.address, -5_000_000)]
    assert calls == 2


async def test_money_that_came_and_left_before_what_is_there_now_is_not_left_out(ground, node):
    wallet = Wallet(ground)
    ground.pay(wallet.owner, 900_000)
    wallet.sends_home(900_000)
    ground.pay(wallet.owner, 950_000)
    told, _ = await newest(node, wallet, wallet.owner, None, 950_000)
    assert [flow.amount for flow in told.statement.money] == [900_000, -900_000, 950_000]


async def test_a_lone_transaction_since_the_payment_was_made_is_read(ground, node):
    """What opened the accounts may be pruned; what is left alone is then what took the money away."""
    wallet = Wallet(ground)
    told, calls = await newest(
        node, wallet, wallet.owner, None, 0, made_at=wallet.made_at - timedelta(seconds=60)
    )
    assert (told.statement.money, calls) == ((), 2)


async def test_a_balance_that_few_transactions_do_not_explain_is_not_told(ground, node):
    wallet = Wallet(ground)
    ground.pay(wallet.owner, 900_000)
    told, _ = await newest(node, wallet, wallet.owner, None, 900_001)
    assert told is None


async def test_of_a_crowded_address_nothing_is_told(ground, node):
    wallet = Wallet(ground)
    for _ in range(NEWEST - 1):
        ground.pay(wallet.owner, 1_000_000)
    told, calls = await newest(node, wallet, wallet.owner, None, (NEWEST - 1) * 1_000_000)
    assert (told, calls) == (None, 1)


async def test_failed_transactions_moved_nothing_and_are_not_read(ground, node):
    wallet = Wallet(ground)
    ground.pay(wallet.owner, 900_000)
    stranger = Keypair()
    with pytest.raises(RuntimeError, match="insufficient lamports"):
        ground.run(
            [transfer(TransferParams(from_pubkey=stranger.pubkey(), to_pubkey=wallet.owner, lamports=7))],
            stranger,
        )
    told, calls = await newest(node, wallet, wallet.owner, None, 900_000)
    assert [flow.amount for flow in told.statement.money] == [900_000]
    assert calls == 2
