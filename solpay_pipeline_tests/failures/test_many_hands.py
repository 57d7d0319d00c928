"""Others at the same database and chain, and clocks that lie: nothing is done twice, and no time but the chain's counts."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from solpay_pipeline.base.clock import utc_now
from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import leg, transaction
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.beside_the_peer.peer.kit import EXPIRE, RECHECK, RECLAIM, SWEEP
from solpay_pipeline_tests.beside_the_peer.peer.test_handover import change_of_hands
from solpay_pipeline_tests.command_line.warm import Warm, warm_solpay
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET, hurried_location, settle_in
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.crashes.ground import assert_told_once, our_transactions
from solpay_pipeline_tests.failures.ground import Database, landed_for
from solpay_pipeline_tests.money.books import LANDED, assert_nothing_more_happens
from solpay_pipeline_tests.shop import SOL, Shop, weather

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def other_warm() -> Iterator[Warm]:
    """A second machine."""
    with warm_solpay() as ready:
        yield ready


@pytest.mark.timeout(600)
def test_f11_two_daemons_and_the_peers_four_commands_at_once_do_everything_once(
    database: Database, warm: Warm, other_warm: Warm
) -> None:
    url = None if database.url.startswith("sqlite") else database.url
    with change_of_hands(database.folder, url, payments=6) as change:
        shop, peer, usdc = change.shop, change.peer, change.usdc
        paid, unpaid = change.customers[:4], change.customers[4:]
        for customer in paid:
            shop.pay_token(customer, usdc)
        shop.settle_chain()
        peer.expire_now([one.payment_id for one in unpaid])
        overlaps: list[int] = []

        def run(machine: Warm) -> None:
            for command in ("recheck", "maintain"):
                machine.run(shop.environment(), command)

        def run_peer() -> None:
            # They run from its crontab, each in a process of its own.
            for started in [peer.start_command(name) for name in (RECHECK, SWEEP, EXPIRE, RECLAIM)]:
                started.communicate(timeout=120)

        over = threading.Event()
        watcher = threading.Thread(target=_count_live_attempts, args=(shop, overlaps, over))
        watcher.start()
        with ThreadPoolExecutor(3) as hands:
            for work in (
                hands.submit(run, warm),
                hands.submit(run, other_warm),
                hands.submit(run_peer),
            ):
                work.result()
        over.set()
        watcher.join()

        shop.wait(minutes=31)
        for _ in range(3):
            shop.run("recheck")
            shop.maintain()
            shop.finalize_chain()
        assert max(overlaps) <= 1, "a wallet had two live attempts"
        assert shop.received(usdc) == 4 * 5_000_000
        assert [change.ours(one)[1] for one in paid] == ["sent_funds"] * 4
        assert {change.ours(one)[0] for one in paid} <= {"confirmed", "finalized"}
        assert [change.ours(one) for one in unpaid] == [("expired", "payment_expired_and_wallet_closed")] * 2
        assert [change.accounts(one) for one in change.customers] == [0] * 6
        # The peer pays its fees from the same purse: what is ours is what our ledger knows.
        landed = {row.signature for row in shop.transactions() if row.state in LANDED}
        assert all(shop.chain.history.get(signature) is not None for signature in landed)
        for customer in change.customers:
            ours = [one for one in landed_for(shop, customer) if one.signature in landed]
            assert len(ours) <= 1
            assert shop.kinds(customer).count("wallet.swept") == (customer in paid)
        assert_nothing_more_happens(shop)


def _count_live_attempts(shop: Shop, overlaps: list[int], over: threading.Event) -> None:
    """The most transactions in flight that any one wallet has had at one look."""
    live = (
        sa.select(sa.func.count())
        .select_from(leg.join(transaction, transaction.c.id == leg.c.transaction_id))
        .where(transaction.c.state == "recorded")
        .group_by(leg.c.wallet_id)
    )
    while not over.wait(0.02):
        with reading(shop.deployment.engine) as connection:
            overlaps.append(max(connection.execute(live).scalars(), default=0))


def _drunken_clock() -> Callable[[], datetime]:
    """Ten minutes ahead, ten behind, and back again at each look."""
    die = random.Random(22)
    return lambda: utc_now() + timedelta(minutes=die.choice([-10, -3, 0, 4, 10]))


def test_f22_a_clock_ten_minutes_off_and_running_backwards_expires_nothing_early_and_nothing_twice(
    database: Database,
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        shop.deployment = replace(shop.deployment, clock=_drunken_clock())
        live, paid, due = shop.new_payment(), shop.new_payment(), shop.new_payment(lasts=timedelta(minutes=5))
        shop.wait(minutes=21)
        shop.pay_token(paid, mint)
        shop.settle_chain()
        for _ in range(2):
            shop.maintain()
        assert (shop.status(live), shop.state(live)) == ("initiated", "created")
        assert (shop.status(due), shop.state(due)) == ("expired", "payment_expired_and_wallet_closed")

        # The chain's own time, too, may be told a little less after a fork.
        shop.wait(minutes=-10)
        shop.run("recheck")
        shop.maintain()
        assert (shop.status(live), shop.state(live)) == ("initiated", "created")
        assert (shop.status(paid), shop.state(paid)) == ("confirmed", "sent_funds")

        shop.wait(minutes=20)
        shop.maintain()
        assert (shop.status(live), shop.state(live)) == ("expired", "payment_expired_and_wallet_closed")
        for customer, kinds in (
            (live, ["payment.expired", "wallet.closed"]),
            (due, ["payment.expired", "wallet.closed"]),
            (paid, ["payment.accepted", "wallet.swept"]),
        ):
            assert shop.kinds(customer) == kinds
        assert_all_is_well(shop, [live, paid, due])


def maintenance() -> dg.JobDefinition:
    """The job, as Dagster makes it anew in whatever process executes it."""
    return hurried_location().resolve_job_def("maintenance_job")


def test_f22_a_run_that_is_retried_and_executed_again_from_its_failure_duplicates_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.shop() as shop, dg.DagsterInstance.local_temp(str(database.folder)) as instance:
        settle_in(shop, monkeypatch)
        shop.accept_sol()
        unpaid = shop.new_payment()
        shop.wait(hours=1)
        customers = shop.accepted_and_paid(None, None)
        job = dg.reconstructable(maintenance)
        # The money leaves, and then the node tells no balance: the sweep fails after all its retries.
        silence = Fault("rate_limit", methods={"getMultipleAccounts"})
        strike = shop.node.faults.strike

        def strike_once_sent(*request: object) -> list[Fault]:
            if shop.node.calls["sendTransaction"] and silence not in shop.node.faults._active:
                shop.node.faults.add(silence)
            return strike(*request)  # type: ignore[arg-type]

        with monkeypatch.context() as patch, weather(shop):
            patch.setattr(shop.node.faults, "strike", strike_once_sent)
            with dg.execute_job(job, instance, run_config=QUIET, raise_on_error=False) as first:
                assert not first.success
                failed = {
                    event.step_key for event in first.all_events if event.event_type_value == "STEP_FAILURE"
                }
                assert failed == {"sweep"}
                run_id = first.run_id
        sent = len(our_transactions(shop))

        options = dg.ReexecutionOptions.from_failure(run_id, instance)
        with dg.execute_job(job, instance, run_config=QUIET, reexecution_options=options) as again:
            assert again.success
            assert "expire" not in {event.step_key for event in again.all_events if event.step_key}

        assert len(our_transactions(shop)) == sent, "what had left was found and not sent again"
        assert [len(landed_for(shop, one)) for one in customers] == [1, 1]
        assert shop.received() == SOL + 2 * SOL // 10
        assert_told_once(shop, customers, "wallet.swept")
        assert_told_once(shop, [unpaid], "payment.expired", "wallet.closed")
        assert_all_is_well(shop, [*customers, unpaid])
