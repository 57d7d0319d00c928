"""The preflight: what could send money the wrong way stops a run before anything is signed."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.reading.addresses import SYSTEM_PROGRAM_ID, TOKEN_PROGRAM_ID
from solpay_pipeline.chain.rpc.answers import AccountsAt
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.transactions import RunRef
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.operations.changes.planned_books import PlannedBooks
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.moving.execution import PlanningMover, SendingMover
from solpay_pipeline.operations.preflight import open_context
from solpay_pipeline.operations.run import silent
from solpay_pipeline.records.schema import create_peer_tables
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline.testing.writing import add_payment
from solpay_pipeline_tests.operations.ground import (
    EXPIRED,
    MADE,
    NOW,
    SLOT,
    SOL,
    ScriptedRpc,
    deployment,
)


class Node(ScriptedRpc):
    """Accounts by address; checks no cluster."""

    accounts_by_key: dict[Pubkey, Account]
    genesis_hash = "this cluster"

    async def __aenter__(self) -> "Node":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def know(self, account: Pubkey, landed: str | None) -> None:
        self.known = (account, landed)

    async def check_cluster(self, expected: str) -> str:
        self.calls[f"check_cluster {expected}"] += 1
        return self.genesis_hash

    async def accounts(self, keys: Any, **_: object) -> AccountsAt:
        return AccountsAt(SLOT, tuple(self.accounts_by_key.get(key) for key in keys))


def node() -> Node:
    made = Node(block_times={SLOT - 2: NOW})
    made.accounts_by_key = {}
    return made


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('preflight') / 'shop.db'}")
    create_peer_tables(engine, deployment().tables)
    migrate.upgrade(engine)
    return engine


def opened(made: Deployment, client: Node, **options: Any) -> OperationContext:
    async def run() -> OperationContext:
        made_ready = replace(made, open_rpc=lambda _: cast(Rpc, client))
        async with open_context(made_ready, Options(**options), RunRef("run", "sweep"), silent) as context:
            return context

    return asyncio.run(run())


def test_the_cluster_is_checked_and_the_chains_own_time_is_what_a_run_decides_by(engine: Engine) -> None:
    client = node()
    context = opened(deployment(engine=engine), client)
    assert client.calls["check_cluster localnet"] == 1
    assert (context.chain_slot, context.chain_time) == (SLOT, NOW), "of the next older slot that has a time"


def test_it_knows_what_the_fee_payer_has_and_whether_the_receiver_exists(engine: Engine) -> None:
    client, made = node(), deployment(engine=engine)
    context = opened(made, client)
    assert (context.facts.fee_payer_lamports, context.receiver_exists) == (0, False)
    for key, lamports in ((made.fee_payer.pubkey, SOL), (made.receiver, 1)):
        client.accounts_by_key[key] = Account(lamports, b"", SYSTEM_PROGRAM_ID)
    context = opened(made, client)
    assert (context.facts.fee_payer_lamports, context.receiver_exists) == (SOL, True)


def test_a_dry_run_has_other_books_and_another_mover(engine: Engine) -> None:
    for is_dry, books, mover in ((False, WrittenBooks, SendingMover), (True, PlannedBooks, PlanningMover)):
        context = opened(deployment(engine=engine), node(), dry_run=is_dry)
        assert isinstance(context.books, books)
        assert isinstance(context.new_mover(context, "sweep", WalletState.PROCESSING_FUNDS), mover)


@pytest.mark.parametrize(
    ("owner", "is_program", "words"),
    [(TOKEN_PROGRAM_ID, False, "a token account or a mint"), (SYSTEM_PROGRAM_ID, True, "a program")],
)
def test_a_receiver_that_is_no_wallet_stops_the_run(
    engine: Engine, owner: Pubkey, is_program: bool, words: str
) -> None:
    client, made = node(), deployment(engine=engine)
    client.accounts_by_key[made.receiver] = Account(1, b"", owner, is_program)
    with pytest.raises(Blocked, match=words):
        opened(made, client)


def test_a_receiver_or_fee_payer_that_is_a_one_time_wallet_of_the_shop_stops_the_run(engine: Engine) -> None:
    made = deployment(engine=engine)
    theirs = Keypair()
    with engine.begin() as connection:
        add_payment(connection, made.tables, made.vault, theirs, options={}, created=MADE, expires=EXPIRED)
    with pytest.raises(Blocked, match="SOLPAY_RECEIVER_ADDRESS"):
        opened(replace(made, receiver=theirs.pubkey()), node())
    with pytest.raises(Blocked, match="SOLPAY_FEE_PAYER_KEYPAIR"):
        opened(replace(made, fee_payer=SecretKeypair(theirs)), node())


def test_a_database_without_the_shops_tables_stops_the_run_before_the_node_is_asked(tmp_path: Path) -> None:
    client = node()
    empty = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Blocked, match="solpay init"):
        opened(deployment(engine=empty), client)
    assert not client.calls
    empty.dispose()
