"""Settings of another cluster, or another receiver in them: a mistake or a theft, and either moves nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from solders.keypair import Keypair

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.ledger import installation
from solpay_pipeline.ledger.installation import AnotherCluster
from solpay_pipeline.ledger.tables import cluster, receiver
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline.operations.balance_scan import scan_balances
from solpay_pipeline.operations.receivers import allow_receiver, revoke_receiver
from solpay_pipeline.testing.shop import asking
from solpay_pipeline_tests.failures.ground import ACCEPTED, EXPIRED
from solpay_pipeline_tests.money.attacks.moves import take_sol
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

OPERATIONS = ("expire", "sweep", "reclaim", "recheck")


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Iterator[Shop]:
    with open_shop(tmp_path, database_url=database_url) as shop:
        shop.accept_sol()
        shop.accept_mint()
        shop.settle_chain()
        yield shop


@contextmanager
def settings_of_another_cluster(shop: Shop) -> Iterator[None]:
    """A copied environment file: the endpoints and the cluster of a test network, the database of the shop."""
    ours = shop.deployment
    with running(Chain(ChainConfig(slot_seconds=0.02, genesis_hash=str(Keypair().pubkey())))) as other:
        other.chain.advance(64)
        shop.deployment = replace(ours, open_rpc=asking([other.url]))
        yield
    shop.deployment = ours


def customers_of(shop: Shop) -> dict[str, Customer]:
    """One for each thing that an operation does."""
    mint = shop.mints[0]
    made = {
        "due": shop.new_payment(lasts=timedelta(seconds=1)),
        "accepted": shop.new_payment(**ACCEPTED),
        "paid": shop.new_payment(),
        "over": shop.new_payment(**EXPIRED),
    }
    shop.pay_sol(made["accepted"])
    shop.pay_token(made["paid"], mint)
    shop.wait(minutes=1)
    return made


def rows_of(shop: Shop) -> dict[str, list[Any]]:
    """Every table, ours and the peer's."""
    tables = sa.MetaData()
    with reading(shop.engine) as connection:
        tables.reflect(connection)
        return {
            name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for name, table in tables.tables.items()
        }


@pytest.mark.parametrize("is_first", [True, False], ids=["first run", "later"])
@pytest.mark.parametrize("dry_run", [False, True], ids=["", "dry"])
def test_settings_of_another_cluster_change_nothing_and_the_right_ones_go_on(
    shop: Shop, is_first: bool, dry_run: bool
) -> None:
    if not is_first:
        shop.run("reclaim")
    customers = customers_of(shop)
    before = rows_of(shop)
    with settings_of_another_cluster(shop):
        for operation in OPERATIONS:
            with pytest.raises(Blocked if is_first else AnotherCluster, match="put the right settings back"):
                shop.run(operation, dry_run=dry_run)
        assert rows_of(shop) == before
    shop.maintain()
    shop.run("recheck")
    assert {name: shop.status(one) for name, one in customers.items()} == {
        "due": "expired",
        "accepted": "confirmed",
        "paid": "confirmed",
        "over": "expired",
    }
    assert (shop.state(customers["accepted"]), shop.state(customers["paid"])) == ("sent_funds", "sent_funds")


def test_the_balance_scan_reads_no_other_cluster_and_binds_none(shop: Shop) -> None:
    def scan() -> int:
        seen = asyncio.run(scan_balances(shop.deployment, after=0, page=10, seconds=20))
        return len(seen.funded)

    paid = shop.new_payment()
    shop.pay_sol(paid)
    shop.settle_chain()
    assert scan() == 1
    assert rows_of(shop)["solpay_cluster"] == []
    shop.run("expire")
    with settings_of_another_cluster(shop), pytest.raises(AnotherCluster):
        scan()
    assert scan() == 1


def test_a_dry_run_binds_nothing(shop: Shop) -> None:
    customers_of(shop)
    for operation in OPERATIONS:
        assert shop.run(operation, dry_run=True).blocked is None
    assert (rows_of(shop)["solpay_cluster"], rows_of(shop)["solpay_receiver"]) == ([], [])


def test_no_lamport_goes_to_another_receiver_until_it_is_allowed_and_all_else_goes_on(shop: Shop) -> None:
    shop.run("expire")
    customers, thief = customers_of(shop), Keypair().pubkey()
    shop.seed.airdrop(thief, SOL)
    shop.settle_chain()
    shop.deployment = replace(shop.deployment, receiver=thief)
    outcomes = {operation: shop.run(operation) for operation in ("expire", "recheck", "sweep", "reclaim")}

    assert {name: shop.status(one) for name, one in customers.items()} == {
        "due": "expired",
        "accepted": "confirmed",
        "paid": "confirmed",
        "over": "expired",
    }
    closed = "payment_expired_and_wallet_closed"
    assert (shop.state(customers["due"]), shop.state(customers["over"])) == (closed, closed)
    assert shop.seed.lamports(thief) == SOL
    assert not shop.seed.lamports(shop.ata(thief, shop.mints[0]))
    assert {name: one.blocked is None for name, one in outcomes.items()} == {
        "expire": True,
        "recheck": False,
        "sweep": False,
        "reclaim": True,
    }
    for name in ("recheck", "sweep"):
        assert not outcomes[name].is_clean
        assert f"solpay receiver allow {thief}" in str(outcomes[name].blocked)
    assert shop.findings() == []

    now = shop.deployment.clock()
    allow_receiver(shop.engine, thief, "it is no thief", now, delay=timedelta(hours=24))
    assert "the money of 2 wallets is not sent" in str(shop.run("sweep").blocked)
    assert shop.seed.lamports(thief) == SOL
    shop.deployment = replace(shop.deployment, clock=lambda: now + timedelta(hours=24))
    outcome = shop.run("sweep")
    assert (outcome.swept, outcome.is_clean) == (2, True)
    assert shop.seed.lamports(thief) == SOL + SOL // 10


def test_an_empty_wallet_is_closed_though_no_receiver_is_allowed(shop: Shop) -> None:
    shop.run("expire")
    emptied = shop.new_payment(**ACCEPTED)
    shop.pay_sol(emptied)
    take_sol(shop, emptied, shop.receiver)
    shop.settle_chain()
    revoke_receiver(shop.engine, shop.receiver, "its key was stolen", shop.deployment.clock())
    outcome = shop.run("sweep")
    assert (outcome.swept, outcome.blocked) == (1, None)
    assert not shop.has_account(emptied, shop.mints[0])


def test_what_is_in_flight_to_a_revoked_receiver_is_looked_for_and_never_sent_again(shop: Shop) -> None:
    customer = shop.new_payment(**ACCEPTED)
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.node.faults.add(Fault("drop_before", methods={"sendTransaction"}))
    shop.run("sweep", patience_seconds=0.1)
    shop.node.faults.clear()
    sent = shop.node.calls["sendTransaction"]
    assert [row.state for row in shop.transactions()] == ["recorded"]
    revoke_receiver(shop.engine, shop.receiver, "its key was stolen", shop.deployment.clock())
    shop.run("sweep", patience_seconds=1)
    assert shop.node.calls["sendTransaction"] == sent
    assert shop.received() == SOL

    # Its blockhash is over: the wallet waits for a receiver that may have it.
    shop.chain.advance(400)
    assert "was revoked" in str(shop.run("sweep").blocked)
    assert [row.state for row in shop.transactions()] == ["dead"]
    shop.move_home(Keypair().pubkey())
    shop.run("sweep")
    assert (shop.state(customer), shop.received()) == ("sent_funds", SOL // 10)


def test_what_went_to_an_earlier_receiver_went_home(shop: Shop) -> None:
    """The peer, whose settings were changed an hour later, has swept there."""
    shop.run("expire")
    earlier, customer = shop.receiver, shop.new_payment(**ACCEPTED)
    shop.pay_sol(customer)
    take_sol(shop, customer, earlier)
    shop.settle_chain()
    shop.move_home(Keypair().pubkey())
    outcome = shop.run("sweep")
    assert (outcome.swept, outcome.set_aside) == (1, ())


def test_what_went_to_a_receiver_after_it_was_revoked_went_elsewhere(shop: Shop) -> None:
    shop.run("expire")
    stolen = shop.deployment.receiver
    customer = shop.new_payment(**ACCEPTED)
    shop.pay_sol(customer)
    shop.settle_chain()
    revoke_receiver(shop.engine, stolen, "its key was stolen", shop.deployment.clock())
    shop.wait(hours=1)
    take_sol(shop, customer, stolen)
    shop.settle_chain()
    shop.move_home(Keypair().pubkey())
    shop.run("sweep")
    assert shop.codes(customer) == {"funds_elsewhere"}


def test_an_upgrade_asks_where_the_last_money_went_elsewhere(shop: Shop) -> None:
    customer = shop.new_payment(**ACCEPTED)
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.run("sweep")
    first = shop.receiver
    _forget_binding(shop)
    shop.deployment = replace(shop.deployment, receiver=Keypair().pubkey())
    again = shop.new_payment(**ACCEPTED)
    shop.pay_sol(again)
    shop.settle_chain()
    asked = str(shop.run("sweep").blocked)
    assert f"went to {first}" in asked
    assert f"solpay receiver allow {shop.receiver}" in asked

    _forget_binding(shop)
    shop.deployment = replace(shop.deployment, receiver=first)
    assert shop.run("sweep").swept == 1
    with reading(shop.engine) as connection:
        assert [one.address for one in installation.receivers(connection)] == [first]


def _forget_binding(shop: Shop) -> None:
    """As the ledger of an earlier version is."""
    with shop.engine.begin() as connection:
        for table in (cluster, receiver):
            connection.execute(sa.delete(table))


def test_a_receiver_that_is_revoked_in_the_middle_of_a_run_gets_nothing_more(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.run("expire")
        paid = [shop.new_payment(**ACCEPTED) for _ in range(3)]
        for customer in paid:
            shop.pay_sol(customer)
        shop.settle_chain()
        before = shop.received()
        with revoked_after_the_first_send(shop):
            shop.run("sweep", page_size=1)
        assert shop.received() - before == SOL // 10
        assert shop.run("sweep").blocked is not None
        assert shop.received() - before == SOL // 10


@contextmanager
def revoked_after_the_first_send(shop: Shop) -> Iterator[None]:
    open_rpc, first = shop.deployment.open_rpc, iter([True])

    def opening(sleep: Any) -> Any:
        rpc = open_rpc(sleep)
        send = rpc.send

        async def watched(*arguments: Any, **named: Any) -> Any:
            answer = await send(*arguments, **named)
            if next(first, False):
                revoke_receiver(shop.engine, shop.receiver, "stolen", shop.deployment.clock())
            return answer

        rpc.send = watched
        return rpc

    before = shop.deployment
    shop.deployment = replace(before, open_rpc=opening)
    yield
    shop.deployment = before
