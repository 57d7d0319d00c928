"""The ledger is bound at first use, and later runs are held to it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from solders.account import Account
from solders.pubkey import Pubkey
from sqlalchemy import Engine

from solpay_pipeline.base.database import open_engine, reading
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.reading.addresses import (
    SYSTEM_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    WRAPPED_SOL_MINT,
    associated_token_address,
)
from solpay_pipeline.chain.rpc.failover import GENESIS
from solpay_pipeline.ledger import audit, installation, transactions
from solpay_pipeline.ledger.installation import AnotherCluster
from solpay_pipeline.ledger.migrations import migrate
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import Purpose, TransactionState
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline.lifecycle.actions import Action, CloseAccount, Leg, MoveLamports, MoveTokens
from solpay_pipeline.operations.binding import MainnetStays, Served, bound, rebind_cluster
from solpay_pipeline.operations.context.binding import Binding
from solpay_pipeline.operations.receivers import allow_receiver, revoke_receiver

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HERE, ELSEWHERE = Served("this cluster"), Served("another cluster")
HOME, OTHER, MINT = (Pubkey.new_unique() for _ in range(3))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Our tables, empty, in a database of each kind."""
    engine = open_engine(database_url)
    migrate.upgrade(engine)
    yield engine
    engine.dispose()


def actions_of(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [one.action for one in audit.entries(connection)]


def landed(engine: Engine, action: Action, state: TransactionState = TransactionState.FINALIZED) -> None:
    """A transaction of a ledger that was never bound."""
    owner = Pubkey.new_unique()
    signature = str(owner)
    entry = NewTransaction(signature, b"", 1, 1, Purpose.SWEEP, 2, 10_000, (Leg(1, owner, ((action,),)),))
    with engine.begin() as connection:
        transactions.record_all(connection, [entry], RunRef("before", "sweep"), NOW)
        transactions.close(
            connection, signature, from_state=TransactionState.RECORDED, to_state=state, now=NOW
        )


def tokens_to(account: Pubkey) -> MoveTokens:
    return MoveTokens(Pubkey.new_unique(), MINT, TOKEN_PROGRAM_ID, 6, 5, account)


def test_the_first_run_binds_and_the_next_one_finds_it_bound(engine: Engine) -> None:
    for _ in range(2):
        assert bound(engine, HERE, HOME, NOW) == Binding({HOME: None})
        assert actions_of(engine) == ["bind_cluster", "allow_receiver"]


def test_who_only_looks_is_told_what_would_be_and_writes_nothing(engine: Engine) -> None:
    found = bound(engine, HERE, HOME, NOW, only_look=True)
    assert (found.receivers, found.obstacle, found.is_written) == ({HOME: None}, None, False)
    assert actions_of(engine) == []


@pytest.mark.parametrize("only_look", [True, False])
def test_another_cluster_is_refused_and_the_right_one_goes_on(engine: Engine, only_look: bool) -> None:
    bound(engine, HERE, HOME, NOW)
    with pytest.raises(AnotherCluster, match="another cluster"):
        bound(engine, ELSEWHERE, HOME, NOW, only_look=only_look)
    assert bound(engine, HERE, HOME, NOW).obstacle is None


@pytest.mark.parametrize("only_look", [True, False])
def test_a_cluster_that_knows_none_of_the_shops_tokens_is_not_bound_to(
    engine: Engine, only_look: bool
) -> None:
    wallet = Account(1, b"", SYSTEM_PROGRAM_ID)
    assert Served.of("x", []).has_tokens, "nothing speaks against it"
    assert Served.of("x", [(MINT, None), (OTHER, wallet)]).has_tokens
    stranger = Served.of("a test network", [(MINT, None), (WRAPPED_SOL_MINT, wallet)])
    with pytest.raises(Blocked, match="none of the tokens"):
        bound(engine, stranger, HOME, NOW, only_look=only_look)
    assert actions_of(engine) == []
    bound(engine, HERE, HOME, NOW)
    assert bound(engine, Served("this cluster", has_tokens=False), HOME, NOW).obstacle is None


def test_a_shop_whose_tokens_are_all_gone_is_bound_by_an_operators_word(engine: Engine) -> None:
    rebind_cluster(engine, GENESIS["mainnet-beta"], NOW)
    found = bound(engine, Served(GENESIS["mainnet-beta"], has_tokens=False), HOME, NOW)
    assert found == Binding({HOME: None})


def test_another_receiver_gets_nothing_until_it_is_allowed_and_its_delay_is_over(engine: Engine) -> None:
    bound(engine, HERE, HOME, NOW)
    found = bound(engine, HERE, OTHER, NOW)
    assert found.receivers == {HOME: None}
    assert f"solpay receiver allow {OTHER}" in str(found.obstacle)
    allow_receiver(engine, OTHER, "we moved", NOW, delay=timedelta(hours=24))
    found = bound(engine, HERE, OTHER, NOW)
    assert found.receivers == {HOME: None}, "what waits takes no money"
    assert "from 2026-11-29 12:00 UTC on" in str(found.obstacle)
    assert bound(engine, HERE, OTHER, NOW + timedelta(hours=24)) == Binding({HOME: None, OTHER: None})


def test_what_was_revoked_before_its_delay_was_over_was_never_a_home(engine: Engine) -> None:
    bound(engine, HERE, HOME, NOW)
    allow_receiver(engine, OTHER, "that was not us", NOW, delay=timedelta(hours=24))
    revoke_receiver(engine, OTHER, "that was not us", NOW + timedelta(hours=1))
    assert bound(engine, HERE, HOME, NOW + timedelta(days=2)).receivers == {HOME: None}


def test_a_revoked_receiver_gets_nothing_and_what_went_there_stays_home(engine: Engine) -> None:
    bound(engine, HERE, HOME, NOW)
    revoke_receiver(engine, HOME, "its key was stolen", NOW)
    found = bound(engine, HERE, HOME, NOW)
    assert found.receivers == {HOME: NOW}
    assert "revoked" in str(found.obstacle)
    assert actions_of(engine)[-1] == "revoke_receiver", "it does not count as first use again"


@pytest.mark.parametrize(
    ("action", "is_home"),
    [
        (MoveLamports(5, HOME), True),
        (MoveLamports(5, OTHER), False),
        (tokens_to(associated_token_address(HOME, MINT, TOKEN_PROGRAM_ID)), True),
        (tokens_to(associated_token_address(HOME, MINT, TOKEN_2022_PROGRAM_ID)), True),
        (tokens_to(associated_token_address(OTHER, MINT, TOKEN_PROGRAM_ID)), False),
    ],
    ids=["lamports", "lamports elsewhere", "tokens", "tokens of 2022", "tokens elsewhere"],
)
def test_an_upgrade_takes_the_receiver_that_the_last_money_went_to_or_asks(
    engine: Engine, action: Action, is_home: bool
) -> None:
    landed(engine, MoveLamports(5, HOME if not is_home else OTHER))
    landed(engine, action)
    # Neither rent nor what never landed tells where money goes.
    landed(engine, CloseAccount(Pubkey.new_unique(), TOKEN_PROGRAM_ID, 5, OTHER))
    landed(engine, MoveLamports(5, OTHER if is_home else HOME), TransactionState.FAILED)
    found = bound(engine, HERE, HOME, NOW)
    if is_home:
        assert found == Binding({HOME: None})
        return
    assert (found.receivers, actions_of(engine)) == ({}, ["bind_cluster"])
    assert f"solpay receiver allow {HOME}" in str(found.obstacle)
    allow_receiver(engine, HOME, "it is ours", NOW)
    assert bound(engine, HERE, HOME, NOW) == Binding({HOME: None})


def test_of_many_first_runs_at_once_one_binds_and_all_go_on(engine: Engine) -> None:
    start = Barrier(6)

    def first_run(_: int) -> Binding:
        start.wait()
        return bound(engine, HERE, HOME, NOW)

    with ThreadPoolExecutor(6) as runs:
        assert list(runs.map(first_run, range(6))) == [Binding({HOME: None})] * 6
    assert actions_of(engine) == ["bind_cluster", "allow_receiver"]
    with reading(engine) as connection:
        assert audit.verify(connection).broken == ()


def test_a_test_network_is_bound_again_and_mainnet_never(engine: Engine) -> None:
    bound(engine, HERE, HOME, NOW)
    rebind_cluster(engine, "after its reset", NOW)
    assert bound(engine, Served("after its reset"), HOME, NOW) == Binding({HOME: None})
    mainnet = GENESIS["mainnet-beta"]
    with pytest.raises(MainnetStays):
        rebind_cluster(engine, mainnet, NOW)
    with engine.begin() as connection:
        installation.rebind_cluster(connection, mainnet, "by hand", NOW)
    with pytest.raises(MainnetStays):
        rebind_cluster(engine, "a local one", NOW)
