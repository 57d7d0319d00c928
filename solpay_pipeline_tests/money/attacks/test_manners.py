"""What the pipeline takes of others while it works: database connections, memory, RPC calls, room in blocks."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from solders.pubkey import Pubkey
from sqlalchemy import QueuePool

from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.run import OPERATIONS, run_operation
from solpay_pipeline_tests.shop import SOL, Shop, open_shop

TO_SWEEP = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
TO_CLOSE = {"status": PaymentStatus.EXPIRED, "state": WalletState.PAYMENT_EXPIRED}


def connections_during_calls(shop: Shop) -> list[int]:
    """How many database connections are lent at each question to the node, from here on."""
    lent: list[int] = []
    pool, open_rpc = shop.deployment.engine.pool, shop.deployment.open_rpc
    assert isinstance(pool, QueuePool)

    def open_watched(sleep: float) -> Rpc:
        rpc = open_rpc(sleep)
        ask = rpc.failover.ask

        async def watched(*args: object, **named: object) -> object:
            lent.append(pool.checkedout())
            answer = await ask(*args, **named)
            lent.append(pool.checkedout())
            return answer

        rpc.failover.ask = watched
        return rpc

    shop.deployment = replace(shop.deployment, open_rpc=open_watched)
    return lent


@pytest.mark.slow
def test_no_database_connection_is_held_while_the_node_is_asked(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.accept_mint()
        paid, to_sweep, _due = shop.new_payment(), shop.new_payment(**TO_SWEEP), shop.new_payment()
        shop.new_payment(**TO_CLOSE)
        for customer in (paid, to_sweep):
            shop.pay_sol(customer)
        shop.settle_chain()
        lent = connections_during_calls(shop)
        shop.run("recheck")
        shop.wait(hours=1)
        shop.maintain()
        assert shop.received() == SOL + 2 * SOL // 10
        assert len(lent) > 50
        assert set(lent) == {0}


@pytest.mark.parametrize(
    ("operation", "stock"), [("sweep", TO_SWEEP), ("reclaim", TO_CLOSE), ("recheck", {})]
)
def test_no_more_wallets_are_read_at_once_than_a_page_holds(
    tmp_path: Path, operation: str, stock: dict[str, object]
) -> None:
    assert operation in OPERATIONS
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        for _ in range(5):
            shop.new_payment(**stock)
        read: list[int] = []

        def seen(stage: str, count: int) -> None:
            if stage == "read":
                read.append(count)

        asyncio.run(run_operation(shop.deployment, operation, Options(page_size=2), uuid.uuid4().hex, seen))
        assert sum(read) >= 5
        assert max(read) == 2


def test_a_sweep_of_empty_wallets_costs_the_same_however_many_others_wait_to_be_closed(
    tmp_path: Path,
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()

        def calls_of_a_sweep() -> int:
            for _ in range(3):
                shop.new_payment(state=WalletState.PROCESSING_PAYMENT)
            shop.settle_chain()
            shop.node.calls.clear()
            assert shop.run("sweep").returned == 3
            return shop.node.calls["getMultipleAccounts"]

        alone = calls_of_a_sweep()
        waiting = [shop.new_payment(**TO_CLOSE) for _ in range(3)]
        assert calls_of_a_sweep() == alone
        assert all(shop.has_account(customer, mint) for customer in waiting)
        assert {shop.state(customer) for customer in waiting} == {"payment_expired"}


class CrowdedRpc(Rpc):
    """A node that has seen others pay for priority; the embedded chain has no others."""

    async def recent_priority_fees(self, accounts: Sequence[Pubkey]) -> tuple[int, ...]:
        assert accounts
        return (20_000,) * 150


@pytest.mark.parametrize("version", [0, 1])
def test_where_others_pay_for_priority_so_do_we_and_never_more_than_allowed(
    tmp_path: Path, version: int
) -> None:
    cap = 7
    with open_shop(tmp_path, version=version) as shop:
        shop.accept_sol()
        shop.pay_sol(shop.new_payment(**TO_SWEEP))
        shop.settle_chain()
        payer = shop.deployment.fee_payer.pubkey
        before = shop.seed.lamports(payer)

        def open_crowded(sleep: float) -> Rpc:
            rpc = open_rpc(sleep)
            rpc.__class__ = CrowdedRpc
            return rpc

        open_rpc = shop.deployment.open_rpc
        shop.deployment = replace(shop.deployment, open_rpc=open_crowded, max_priority_fee=cap)
        outcome = shop.run("sweep")
        paid = before - shop.seed.lamports(payer)
        assert paid == outcome.fees
        assert 2 * 5_000 < paid <= 2 * 5_000 + cap
