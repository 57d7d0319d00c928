"""Money that came and went is found in a wallet's history, whichever way it took."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from solpay_pipeline.chain.reading.addresses import (
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    associated_token_address,
)
from solpay_pipeline.chain.reading.history import (
    HistoryTooLong,
    HistoryUnfinished,
    effect_of,
    read,
)
from solpay_pipeline.chain.rpc.answers import HistoryPage, SignatureRecord, TokenBalance, TransactionRecord
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import ChainError, NodeBehind, Unanswered, UnknownCursor
from solpay_pipeline.chain.sending.instructions import lower
from solpay_pipeline.lifecycle.actions import CloseAccount, MoveTokens
from solpay_pipeline.lifecycle.evidence.effects import Effect
from solpay_pipeline.lifecycle.evidence.statement import Entry, EntryClass
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import Node, running
from solpay_pipeline_tests.rooms.chain import ground as at
from solpay_pipeline_tests.rooms.chain.ground import Ground

pytestmark = pytest.mark.anyio


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
def node(ground: Ground) -> Iterator[Node]:
    with running(ground.chain) as node:
        yield node


def rpc_to(node: Node) -> Rpc:
    return Rpc([Endpoint(SecretStr(node.url))], RpcOptions(retry_window_seconds=0))


async def flows_on(ground: Ground, node: Node, owner: Pubkey, *accounts: Pubkey, **options) -> list[Entry]:
    ground.chain.advance(5)
    async with rpc_to(node) as rpc:
        return list(
            (await read(rpc, owner, accounts, commitment=Commitment.CONFIRMED, **options)).statement.money
        )


def amounts(found: list[Entry]) -> list[tuple[Pubkey | None, int]]:
    return [(flow.asset, flow.amount) for flow in found]


async def test_several_payments_in_lamports_are_each_a_flow_oldest_first(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 900_000)
    record = ground.pay(owner, 400_000)
    found = await flows_on(ground, node, owner)
    assert amounts(found) == [(None, 900_000), (None, 400_000)]
    assert found[1].signature == record.signature
    assert found[1].block_time == datetime.fromtimestamp(record.block_time, UTC)
    assert found[0].slot < found[1].slot
    assert found[0].towards is None


async def test_a_payment_to_a_token_account_is_found_by_that_account(ground, node):
    customer, owner, mint = ground.keypair(), ground.keypair().pubkey(), ground.mint()
    ground.issue(customer.pubkey(), mint, 10)
    ground.send_tokens(customer, owner, mint, 7)
    ata = associated_token_address(owner, mint.address, mint.program)
    assert amounts(await flows_on(ground, node, owner, ata)) == [(mint.address, 7)]


async def test_making_the_wallets_accounts_is_no_flow(ground, node):
    owner, mint = ground.keypair().pubkey(), ground.mint()
    ata = ground.ata(owner, mint)
    assert await flows_on(ground, node, owner, ata) == []


async def test_money_that_moved_on_is_an_outflow_and_tells_who_gained(ground, node):
    customer, wallet, mint = ground.keypair(), ground.keypair(), ground.mint()
    owner = wallet.pubkey()
    ground.issue(customer.pubkey(), mint, 10)
    ground.send_tokens(customer, owner, mint, 10)
    source = associated_token_address(owner, mint.address, mint.program)
    main = ground.ata(ground.receiver, mint)
    move = MoveTokens(source, mint.address, mint.program, 6, 10, main)
    close = CloseAccount(source, mint.program, 0, ground.fee_payer.pubkey())
    ground.run([*lower(move, owner), *lower(close, owner)], wallet)
    came, left = await flows_on(ground, node, owner, source)
    assert (came.amount, left.amount) == (10, -10)
    assert left.towards == ground.receiver
    assert ground.account(source) is None


async def test_a_transfer_fee_is_no_part_of_what_came(ground, node):
    customer, owner = ground.keypair(), ground.keypair().pubkey()
    mint = ground.mint(TOKEN_2022_PROGRAM_ID, at.TRANSFER_FEE)
    ground.issue(customer.pubkey(), mint, 1_000)
    ground.send_tokens(customer, owner, mint, 1_000)
    ata = associated_token_address(owner, mint.address, mint.program)
    assert amounts(await flows_on(ground, node, owner, ata)) == [(mint.address, 990)]


async def test_a_fee_that_the_wallet_paid_itself_went_to_nobody(ground, node):
    wallet, other = ground.keypair(), ground.keypair().pubkey()
    owner = wallet.pubkey()
    ground.pay(owner, 5_000_000)
    ground.chain.advance(1)
    move = transfer(TransferParams(from_pubkey=owner, to_pubkey=other, lamports=1_000_000))
    message = MessageV0.try_compile(owner, [move], [], ground.chain.latest_blockhash()[0])
    assert ground.chain.submit(bytes(VersionedTransaction(message, [wallet]))).err is None
    _, fee, left = await flows_on(ground, node, owner)
    assert (fee.entry_class, fee.amount) == (EntryClass.FEE, -5_000)
    assert (left.entry_class, left.amount, left.towards) == (EntryClass.ELSEWHERE, -1_000_000, other)
    assert ground.lamports(owner) == 4_000_000 - 5_000


async def test_a_failed_transaction_moved_nothing(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 1_000_000)
    ground.chain.advance(1)
    payer = ground.fee_payer
    moves = [
        transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=owner, lamports=lamports))
        for lamports in (2_000_000, 10**15)
    ]
    message = MessageV0.try_compile(payer.pubkey(), moves, [], ground.chain.latest_blockhash()[0])
    assert ground.chain.submit(bytes(VersionedTransaction(message, [payer]))).err is not None
    assert amounts(await flows_on(ground, node, owner)) == [(None, 1_000_000)]


async def test_a_payment_by_a_version_1_transaction_counts(ground, node):
    owner = ground.keypair().pubkey()
    payer = ground.fee_payer
    move = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=owner, lamports=3_000_000))
    message = MessageV1.try_compile(
        payer.pubkey(),
        [move],
        ground.chain.latest_blockhash()[0],
        TransactionConfig(compute_unit_limit=10_000, loaded_accounts_data_size_limit=10**6),
    )
    assert ground.chain.submit(bytes(VersionedTransaction(message, [payer]))).err is None
    assert amounts(await flows_on(ground, node, owner)) == [(None, 3_000_000)]


async def test_lamports_that_came_without_any_transfer_instruction_count(ground, node):
    wallet, shop = ground.keypair(), ground.keypair().pubkey()
    wrapped = ground.wrapped_sol(wallet.pubkey(), 60_000_000)
    gift = ground.lamports(wrapped)
    close = CloseAccount(wrapped, TOKEN_PROGRAM_ID, gift, shop)
    ground.run(lower(close, wallet.pubkey()), wallet)
    assert amounts(await flows_on(ground, node, shop)) == [(None, gift)]


async def test_a_history_of_processed_blocks_is_read_at_confirmed(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 1_000_000)
    ground.chain.advance(5)
    async with rpc_to(node) as rpc:
        found = (await read(rpc, owner, [], commitment=Commitment.PROCESSED)).statement.money
    assert amounts(found) == [(None, 1_000_000)]


async def test_what_happened_before_the_given_time_is_left_out(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 1_000_000)
    ground.chain.warp(3_600)
    record = ground.pay(owner, 2_000_000)
    since = datetime.fromtimestamp(record.block_time, UTC) - timedelta(seconds=60)
    assert amounts(await flows_on(ground, node, owner, since=since)) == [(None, 2_000_000)]


@pytest.mark.slow
async def test_a_payment_under_a_thousand_dust_transfers_is_found(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 50_000_000)
    for _ in range(1_050):
        ground.pay(owner, 1)
    node.calls.clear()
    found = await flows_on(ground, node, owner)
    assert found[0].amount == 50_000_000
    assert sum(flow.amount for flow in found) == 50_001_050
    assert node.calls == {
        "getFirstAvailableBlock": 1,
        "getSignaturesForAddress": 2,
        "getTransaction": 1_051,
    }


async def test_a_history_above_the_limit_is_refused_and_not_shortened(ground, node):
    owner = ground.keypair().pubkey()
    for _ in range(4):
        ground.pay(owner, 1_000_000)
    with pytest.raises(HistoryTooLong, match=f"{owner}: more than 3"):
        await flows_on(ground, node, owner, max_signatures=3)


async def test_a_read_that_must_stop_keeps_what_it_has_read_for_the_next(ground, node):
    owner = ground.keypair().pubkey()
    for _ in range(70):
        ground.pay(owner, 1_000_000)
    ground.chain.advance(40)
    known: dict[str, Effect] = {}
    answers = iter([False, True])
    with pytest.raises(HistoryUnfinished, match="6 transactions are left"):
        await flows_on(ground, node, owner, final=known, must_stop=lambda: next(answers))
    assert len(known) == 64
    assert len(await flows_on(ground, node, owner, final=known)) == 70
    assert node.calls["getTransaction"] == 70


async def test_a_node_that_fails_is_an_error_and_not_an_empty_history(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 1_000_000)
    node.faults.add(Fault("server_error", methods={"getTransaction"}))
    with pytest.raises(ChainError):
        await flows_on(ground, node, owner)


async def test_a_history_says_how_far_back_the_node_goes_that_told_it(ground, node):
    owner = ground.keypair().pubkey()
    ground.pay(owner, 900_000)
    ground.chain.advance(500)
    with running(ground.chain, history_slots=300) as forgetful:
        node.faults.add(Fault("server_error", methods={"getSignaturesForAddress"}))
        endpoints = [Endpoint(SecretStr(each.url)) for each in (node, forgetful)]
        async with Rpc(endpoints, RpcOptions(retry_window_seconds=5)) as rpc:
            assert await rpc.first_available_block() < ground.chain.tick() - 400
            found = await read(rpc, owner, (), commitment=Commitment.CONFIRMED)
    assert found.statement.money == ()
    assert found.first_slot > ground.chain.tick() - 400


async def test_no_node_that_lags_tells_a_history_to_whom_a_fresher_one_has_told_the_time(ground, node):
    owner = ground.keypair().pubkey()
    ground.chain.advance(50)
    ground.pay(owner, 900_000)
    ground.chain.advance(5)
    newest = ground.chain.slot_at("confirmed")
    with running(ground.chain, lag=40) as lagging:
        async with rpc_to(lagging) as rpc:
            with pytest.raises(NodeBehind):
                await read(rpc, owner, (), commitment=Commitment.CONFIRMED, min_context_slot=newest)


# ---- what a real node does seldom


class Pages:
    """A node with so many transactions that forgets a cursor, or a transaction, once."""

    def __init__(self, count: int, *, forget_cursor: int = 0, lose: str | None = None) -> None:
        self.records = [
            SignatureRecord(f"s{number}", number, None, None, Commitment.FINALIZED)
            for number in reversed(range(count))
        ]
        self.forget_cursor = forget_cursor
        self.lose = lose
        self.owner = Keypair.from_seed(bytes([1]) * 32).pubkey()
        self.payer = Keypair.from_seed(bytes([2]) * 32).pubkey()

    async def history_page(
        self,
        address,
        *,
        commitment,
        before=None,
        until=None,
        limit=1000,
        min_context_slot=None,
        begins_before=None,
    ):
        if before is not None and self.forget_cursor:
            self.forget_cursor -= 1
            raise UnknownCursor(-32020, "unknown before", "getSignaturesForAddress")
        known = [record.signature for record in self.records]
        start = 0 if before is None else known.index(before) + 1
        return HistoryPage(tuple(self.records[start : start + limit]), 0)

    async def listed_transaction(self, signature, *, commitment):
        if signature == self.lose:
            raise Unanswered(f"nobody has {signature}")
        return TransactionRecord(
            signature,
            int(signature[1:]),
            None,
            "legacy",
            5_000,
            None,
            None,
            (self.payer, self.owner),
            (10**9, 0),
            (10**9 - 5_001, 1),
            (),
            (),
            (),
        )


async def test_a_cursor_that_the_node_has_pruned_heals_itself():
    pages = Pages(2_500, forget_cursor=2)
    found = (await read(pages, pages.owner, [], commitment=Commitment.FINALIZED)).statement.money
    assert [flow.signature for flow in found] == [f"s{number}" for number in range(2_500)]


async def test_a_cursor_that_stays_unknown_is_an_error():
    pages = Pages(2_500, forget_cursor=9)
    with pytest.raises(UnknownCursor):
        await read(pages, pages.owner, [], commitment=Commitment.FINALIZED)


async def test_a_listed_transaction_that_is_not_given_is_a_hole():
    pages = Pages(5, lose="s3")
    with pytest.raises(Unanswered, match="s3"):
        await read(pages, pages.owner, [], commitment=Commitment.FINALIZED)


def test_a_balance_without_an_owner_is_ours_where_its_account_is():
    keys = tuple(Keypair.from_seed(bytes([number]) * 32).pubkey() for number in range(1, 6))
    payer, owner, account, mint, other = keys
    record = TransactionRecord(
        "s", 5, None, "legacy", 5_000, None, None, keys, (0,) * 5, (0,) * 5, (), (), ()
    )
    came = TokenBalance(2, mint, None, None, 9, 6)
    left = TokenBalance(4, mint, None, None, 9, 6)
    record = replace(record, pre_token_balances=(left,), post_token_balances=(came,))
    (change,) = [one for one in effect_of(record, owner, frozenset({account})).changes if one.holder == owner]
    assert (change.mint, change.tokens_before, change.tokens_after) == (mint, 0, 9)
    assert not [one for one in effect_of(record, owner).changes if one.holder == owner]
    assert payer != other
