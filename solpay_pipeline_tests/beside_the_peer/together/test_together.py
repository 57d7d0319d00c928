"""Everybody at once on one PostgreSQL: several of our processes, the peer's four commands, its verify endpoint."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK, RECLAIM, SWEEP, Peer
from solpay_pipeline_tests.beside_the_peer.together.ground import (
    SECONDS,
    assert_ended_well,
    assert_nobody_waits,
    assert_nothing_was_moved_twice,
    start_ours,
    start_verifying,
    told_by,
    watched,
)
from solpay_pipeline_tests.command_line.warm import Warm
from solpay_pipeline_tests.failures.crashes.ground import (
    assert_ledger_complete,
    everybody,
    lamports_of,
    our_transactions,
)
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(2 * SECONDS)]

PRICE = 5_000_000
SWEPT = ("confirmed", "sent_funds")
CLOSED = ("expired", "payment_expired_and_wallet_closed")

MAINTAIN = [["maintain"]]
SINGLY = [["sweep"], ["expire"], ["reclaim"], ["recheck"]]
CROWDS = {"two": [MAINTAIN, [["recheck"], ["sweep"]]], "four": [MAINTAIN, MAINTAIN, SINGLY, SINGLY[::-1]]}


@dataclass(frozen=True)
class Books:
    """Lamports between the receiver, the fee payer and the wallets at one moment, and what our key had paid for by then."""

    shop: Shop
    customers: list[Customer]
    lamports: int
    paid_for: frozenset[str]

    @classmethod
    def of(cls, shop: Shop, customers: Iterable[Customer]) -> "Books":
        owners = list(customers)
        signatures = frozenset(record.signature for record in our_transactions(shop))
        return cls(shop, owners, lamports_of(shop, everybody(shop, owners)), signatures)

    def assert_balanced(self) -> None:
        """What is gone since was the fee of a transaction that somebody paid for with our key."""
        since = [one for one in our_transactions(self.shop) if one.signature not in self.paid_for]
        left = lamports_of(self.shop, everybody(self.shop, self.customers))
        assert left == self.lamports - sum(one.executed.fee for one in since)


@pytest.mark.parametrize("crowd", CROWDS)
def test_processes_of_ours_side_by_side_do_each_wallet_once(
    warm: Warm, tmp_path: Path, postgres_url: str, crowd: str
) -> None:
    config = ChainConfig(slot_seconds=0.05)
    with open_shop(tmp_path, database_url=postgres_url, config=config) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        expected: dict[Customer, tuple[str, str]] = {}
        for place in range(24):
            customer = shop.new_payment(lasts=timedelta(days=1) if place % 3 == 0 else timedelta(minutes=5))
            if place % 3 < 2:
                shop.pay_token(customer, mint)
            if place % 6 == 0:
                shop.pay_sol(customer)
            expected[customer] = SWEPT if place % 3 < 2 else CLOSED
        shop.wait(hours=1)
        books = Books.of(shop, expected)
        stop = tmp_path / "stop"
        stop.touch()

        with watched(shop) as twice:
            workers = told_by(start_ours(shop, stop, CROWDS[crowd]))
        assert_ended_well(workers)
        assert twice == []
        assert_nobody_waits(shop)

        plain = warm.run(shop.environment(), "maintain")
        assert plain.returncode == 0, plain
        assert {one: (shop.status(one), shop.state(one)) for one in expected} == expected
        assert shop.received(mint) == 16 * PRICE
        assert shop.received() == SOL + 4 * SOL // 10
        books.assert_balanced()
        assert_nothing_was_moved_twice(shop)
        assert_ledger_complete(shop)
        for customer, end in expected.items():
            told = (
                ["payment.accepted", "wallet.swept"] if end == SWEPT else ["payment.expired", "wallet.closed"]
            )
            assert shop.kinds(customer) == told


def test_the_peers_commands_its_verify_endpoint_and_ours_at_once_lose_nothing(
    warm: Warm, tmp_path: Path, postgres_url: str
) -> None:
    config = ChainConfig(slot_seconds=0.05)
    with open_shop(tmp_path, database_url=postgres_url, config=config, create_tables=False) as shop:
        mint = shop.seed.create_mint()
        peer = Peer(**shop.as_settings(), timeout=SECONDS)
        peer.set_up(native_price="0.1", spl_prices={str(mint): "5"})
        shop.read_tokens()
        customers = shop.customers_of(peer.create_payments(12))
        in_sol, in_tokens, overdue, unpaid, live = (
            customers[:3],
            customers[3:6],
            customers[6:8],
            customers[8:10],
            customers[10:],
        )
        for customer in in_sol:
            shop.pay_sol(customer)
        for customer in (*in_tokens, *overdue):
            shop.pay_token(customer, mint)
        shop.finalize_chain()
        shop.wait(seconds=3)
        # The peer tells the time by the wall: what is overdue by it from here on was paid in time for certain.
        time.sleep(3)
        peer.expire_now([customer.payment_id for customer in (*overdue, *unpaid)])
        books = Books.of(shop, customers)
        stop = tmp_path / "stop"

        with watched(shop) as twice:
            commands = {name: peer.start_command(name) for name in (EXPIRE, SWEEP, RECLAIM, RECHECK)}
            verifying = start_verifying(peer._environment(), stop)
            ours = start_ours(shop, stop, CROWDS["two"])
            printed = {name: process.communicate(timeout=SECONDS)[0] for name, process in commands.items()}
            stop.touch()
            workers, verified = told_by(ours), told_by(verifying)
        assert verified["rounds"] > 0
        assert verified["accepted"], verified["raised"]
        # How the peer's own commands end among others is theirs (docs/peer.md, S12 and S15); that they end is all.
        assert set(printed) == {EXPIRE, SWEEP, RECLAIM, RECHECK}
        assert_ended_well(workers)
        assert twice == []
        assert_nobody_waits(shop)

        # What the peer left half done may be a transaction of its own that is still on its way.
        shop.finalize_chain()
        settled = warm.run(shop.environment(), "maintain")
        paid = [*in_sol, *in_tokens, *overdue]
        states = {one["id"]: (one["status"], one["wallet_state"]) for one in peer.states()["payments"]}
        assert {one.payment_id: (shop.status(one), shop.state(one)) for one in customers} == states
        assert {states[one.payment_id] for one in paid} == {SWEPT}, settled
        assert {states[one.payment_id] for one in unpaid} == {CLOSED}
        assert {states[one.payment_id][0] for one in live} == {"initiated"}
        assert set(verified["accepted"]) <= {one.payment_id for one in paid}
        assert shop.received(mint) == 5 * PRICE
        assert shop.received() == SOL + 3 * SOL // 10
        books.assert_balanced()
        assert_nothing_was_moved_twice(shop)
