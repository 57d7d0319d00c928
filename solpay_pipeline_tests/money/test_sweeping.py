"""Rows S2, S7 and S12 to S17: everything goes home once, in whatever weather, and the record says what is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from solpay_pipeline.chain.rpc.errors import Transient
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.operations.changes.written_books import WrittenBooks
from solpay_pipeline_tests.money import by_peer
from solpay_pipeline_tests.money.books import (
    assert_books_balance,
    assert_closed,
    assert_no_false_record,
    assert_nothing_more_happens,
    assert_swept,
    gain,
    moved,
    on_chain,
    run_all,
)
from solpay_pipeline_tests.money.conftest import Street
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop, weather

UNITS = 10**6
PRICE = 5 * UNITS
SOL_PRICE = SOL // 10


def accepted_by_peer(shop: Shop, customer: Customer, state: WalletState) -> Customer:
    """Accepted by the merchant's application, money still in the wallet."""
    shop.set_status(customer, PaymentStatus.CONFIRMED)
    shop.set_state(customer, state)
    return customer


def paid_in_sol(shop: Shop, count: int) -> list[Customer]:
    customers = [shop.new_payment() for _ in range(count)]
    for customer in customers:
        shop.pay_sol(customer)
        accepted_by_peer(shop, customer, WalletState.PROCESSING_PAYMENT)
    shop.settle_chain()
    return customers


def until_a_run_gets_through(shop: Shop, operation: str, check: Callable[[], None]) -> None:
    """What a retry policy does, with a look at the records after each attempt."""
    for _ in range(20):
        try:
            shop.run(operation, patience_seconds=5)
        except Transient:
            check()
            continue
        check()
        return
    raise AssertionError(f"{operation} never got through")


@pytest.mark.parametrize(
    "state",
    [WalletState.PROCESSING_PAYMENT, WalletState.PROCESSING_FUNDS, WalletState.FAILED_TO_SEND_FUNDS],
    ids=str,
)
def test_s02_lamports_and_tokens_of_one_wallet_both_go_home(street: Street, state: WalletState) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_token(customer, street.usdc)
    shop.seed.pay_sol(customer.address, 900_000)
    shop.settle_chain()
    accepted_by_peer(shop, customer, state)

    outcome = shop.run("sweep")

    assert_swept(shop, customer)
    assert (gain(shop), gain(shop, street.usdc)) == (900_000, PRICE)
    assert outcome.amounts == {"SOL": 900_000, str(street.usdc): PRICE}
    assert outcome.transactions == 2  # the receiver's account is opened once
    (event,) = shop.events(customer)
    assert event.kind == "wallet.swept"
    amounts = {one["kind"]: one["amount"] for one in event.body["movements"] if one["kind"] != "rent"}
    assert amounts == {"lamports": "900000", "tokens": str(PRICE)}
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s02_tokens_that_the_peer_left_behind_sent_funds_go_home(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_token(customer, street.usdc)
    shop.seed.pay_sol(customer.address, 900_000)
    by_peer.sends_all_sol(shop, customer)
    shop.settle_chain()
    accepted_by_peer(shop, customer, WalletState.SENT_FUNDS)

    shop.maintain()

    assert_swept(shop, customer)
    assert (gain(shop), gain(shop, street.usdc)) == (900_000, PRICE)
    assert moved(shop, customer) == {str(street.usdc): PRICE}
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop_after", {"sendTransaction"}),
        Fault("truncate", {"sendTransaction"}),
        Fault("wrong_id", {"sendTransaction"}),
    ],
    ids=lambda fault: fault.kind,
)
def test_s07_a_sweep_that_landed_though_its_answer_was_lost_is_found(street: Street, fault: Fault) -> None:
    shop = street.shop
    customers = paid_in_sol(shop, 2)

    with weather(shop, Fault(fault.kind, fault.methods)):
        outcome = shop.run("sweep")

    assert (outcome.swept, outcome.is_clean) == (2, True)
    for customer in customers:
        assert_swept(shop, customer)
        assert moved(shop, customer) == {None: SOL_PRICE}
    assert gain(shop) == 2 * SOL_PRICE
    assert len(shop.transactions()) == 1
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("state", [WalletState.FAILED_TO_SEND_FUNDS, WalletState.PROCESSING_FUNDS], ids=str)
def test_s07_a_wallet_that_the_peer_called_failed_after_its_sweep_landed_is_sent_funds(
    street: Street, state: WalletState
) -> None:
    shop = street.shop
    in_sol, in_usdc = shop.new_payment(), shop.new_payment()
    shop.pay_sol(in_sol)
    shop.pay_token(in_usdc, street.usdc)
    signatures = [
        by_peer.sends_all_sol(shop, in_sol),
        by_peer.sends_tokens(shop, in_usdc, street.usdc, PRICE),
    ]
    shop.settle_chain()
    for customer in (in_sol, in_usdc):
        accepted_by_peer(shop, customer, state)

    for _ in range(2):
        run_all(shop, ("sweep", "reclaim"))

    for customer, signature in zip((in_sol, in_usdc), signatures, strict=True):
        assert_swept(shop, customer)
        assert moved(shop, customer) == {}
        (told,) = [one.finding for one in shop.findings(customer)]
        assert told.code == "foreign_movement"
        assert signature in told.explanation
    assert (gain(shop), gain(shop, street.usdc)) == (SOL_PRICE, PRICE)
    assert_books_balance(shop, opened_by_others=[street.usdc])
    assert_nothing_more_happens(shop)


def test_s07_money_that_went_elsewhere_is_never_called_swept(street: Street) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.pay_sol(customer)
    stolen = by_peer.sends_sol(shop, customer, SOL_PRICE, to=shop.seed.customer.pubkey())
    shop.settle_chain()
    accepted_by_peer(shop, customer, WalletState.PROCESSING_FUNDS)

    outcome = shop.run("sweep")

    assert shop.state(customer) == WalletState.FAILED_TO_SEND_FUNDS
    (finding,) = outcome.set_aside
    assert finding.code == "funds_elsewhere"
    assert stolen in finding.explanation
    assert not outcome.is_clean
    assert_nothing_more_happens(shop)


@pytest.mark.slow
def test_s12_a_fifth_of_the_calls_refused_loses_and_misrecords_nothing(street: Street) -> None:
    shop = street.shop
    paid, unpaid = [shop.new_payment() for _ in range(10)], [shop.new_payment() for _ in range(10)]
    for place, customer in enumerate(paid):
        if place % 2:
            shop.pay_token(customer, street.usdc)
        else:
            shop.pay_sol(customer)
    shop.settle_chain()

    def check() -> None:
        assert_no_false_record(shop, [*paid, *unpaid])

    with weather(shop, Fault("rate_limit", probability=0.2)):
        until_a_run_gets_through(shop, "recheck", check)
        shop.wait(minutes=31)
        for operation in ("expire", "sweep", "reclaim"):
            until_a_run_gets_through(shop, operation, check)
    assert shop.node.faults.struck["rate_limit"] > 5
    # What was still on its way when patience ended.
    run_all(shop)

    for customer in paid:
        assert_swept(shop, customer)
        assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    for customer in unpaid:
        assert_closed(shop, customer)
        assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
    assert (gain(shop), gain(shop, street.usdc)) == (5 * SOL_PRICE, 5 * PRICE)
    assert shop.findings() == []
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s13_a_frozen_account_is_set_aside_others_go_on_and_thawed_it_is_swept(street: Street) -> None:
    shop = street.shop
    frozen, other = shop.new_payment(), shop.new_payment()
    for customer in (frozen, other):
        shop.pay_token(customer, street.usdc)
    shop.seed.pay_sol(frozen.address, 900_000)
    account = shop.ata(frozen.address, street.usdc)
    shop.seed.freeze(account, street.usdc)
    shop.settle_chain()

    outcome = shop.run("recheck")

    assert (outcome.accepted, outcome.swept, outcome.is_clean) == (2, 1, False)
    assert_swept(shop, other)
    assert (shop.status(frozen), shop.state(frozen)) == ("confirmed", WalletState.FAILED_TO_SEND_FUNDS)
    (finding,) = outcome.set_aside
    assert (finding.code, finding.mint, finding.amount) == ("token_stuck", street.usdc, PRICE)
    assert "frozen" in finding.explanation
    # What can move has moved.
    assert (gain(shop), gain(shop, street.usdc)) == (900_000, PRICE)
    assert on_chain(shop, frozen) == {street.usdc: PRICE}
    assert_nothing_more_happens(shop)

    shop.seed.thaw(account, street.usdc)
    shop.settle_chain()
    outcome = shop.run("sweep")
    assert (outcome.swept, outcome.is_clean) == (1, True)
    assert_swept(shop, frozen)
    assert (gain(shop, street.usdc), shop.codes(frozen)) == (2 * PRICE, {"overpaid"})
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s13_a_frozen_account_of_an_expired_payment_is_never_called_closed(street: Street) -> None:
    shop = street.shop
    empty, short = shop.new_payment(), shop.new_payment()
    shop.pay_token(short, street.usdc, "1")
    for customer in (empty, short):
        shop.seed.freeze(shop.ata(customer.address, street.usdc), street.usdc)
    shop.wait(minutes=31)

    run_all(shop)

    # The token program closes a frozen account that is empty.
    assert_closed(shop, empty)
    assert (shop.status(short), shop.state(short)) == ("expired", WalletState.RECEIVED_FUNDS)
    assert shop.codes(short) == {"short"}
    assert_nothing_more_happens(shop)
    outcome = shop.run("sweep", sweep_held_funds=True)
    assert not outcome.is_clean
    assert shop.state(short) not in {WalletState.SENT_FUNDS, WalletState.CLOSED}
    assert on_chain(shop, short) == {street.usdc: UNITS}


def killed_after_landing(shop: Shop, operation: str, landed: Callable[[], bool]) -> None:
    """Run an operation in a process of its own and kill it once the chain has its transaction and it has no word."""
    with weather(shop, Fault("latency", {"getSignatureStatuses"}, seconds=30)):
        process = subprocess.Popen(
            [sys.executable, "-m", "solpay_pipeline_tests.money.sweeping", operation],
            env={**os.environ, **shop.environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not _is_so(shop, landed):
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            process.kill()
            process.communicate()


def _is_so(shop: Shop, landed: Callable[[], bool]) -> bool:
    with shop.node.lock:
        return landed()


@pytest.mark.slow
def test_s14_a_sweep_that_is_killed_after_its_transaction_landed_is_finished_by_the_next_run(
    street: Street,
) -> None:
    shop = street.shop
    customers = paid_in_sol(shop, 3)

    killed_after_landing(shop, "sweep", lambda: gain(shop) == 3 * SOL_PRICE)

    for customer in customers:
        assert shop.state(customer) == WalletState.PROCESSING_FUNDS
    assert shop.kinds(customers[0]) == []
    outcome = shop.run("sweep")
    assert (outcome.settled, outcome.swept, outcome.transactions) == (1, 3, 1)
    for customer in customers:
        assert_swept(shop, customer)
        assert moved(shop, customer) == {None: SOL_PRICE}
        assert shop.kinds(customer) == ["wallet.swept"]
    assert gain(shop) == 3 * SOL_PRICE
    # What our own killed run moved is no stranger's work.
    assert shop.findings() == []
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.slow
def test_s14_a_reclaim_that_is_killed_after_its_transaction_landed_is_finished_by_the_next_run(
    street: Street,
) -> None:
    shop = street.shop
    customers = [shop.new_payment() for _ in range(3)]
    shop.wait(minutes=31)
    shop.run("expire", close_wallets=False)
    killed_after_landing(
        shop, "reclaim", lambda: not any(shop.has_account(one, street.usdc) for one in customers)
    )
    for customer in customers:
        assert shop.state(customer) == WalletState.PAYMENT_EXPIRED
    assert shop.run("reclaim").closed == 3
    for customer in customers:
        assert_closed(shop, customer)
        assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


@pytest.mark.parametrize("moment", ["before our mark", "after our mark"])
def test_s15_a_wallet_that_we_swept_and_the_peer_called_closed_is_sent_funds_and_told_once(
    street: Street, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    shop = street.shop
    (customer,) = shop.accepted_and_paid(street.usdc)
    rest_swept = WrittenBooks.rest_swept

    def mark_beside_the_peer(books: WrittenBooks, snapshots: Sequence[Snapshot]) -> None:
        if snapshots and moment == "before our mark":
            shop.set_state(customer, WalletState.CLOSED)
        rest_swept(books, snapshots)
        if snapshots and moment == "after our mark":
            shop.set_state(customer, WalletState.CLOSED)

    with monkeypatch.context() as patch:
        patch.setattr(WrittenBooks, "rest_swept", mark_beside_the_peer)
        shop.run("sweep")
    assert shop.state(customer) == WalletState.CLOSED
    assert shop.kinds(customer).count("wallet.swept") == (moment == "after our mark")

    shop.maintain()

    assert_swept(shop, customer)
    assert shop.kinds(customer).count("wallet.swept") == 1
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s15_a_closed_wallet_that_gave_back_nothing_but_rent_stays_closed_where_a_hand_accepts_its_payment(
    street: Street,
) -> None:
    shop = street.shop
    customer = shop.new_payment()
    shop.wait(minutes=31)
    shop.maintain()
    assert_closed(shop, customer)
    shop.set_status(customer, PaymentStatus.CONFIRMED)

    outcomes = shop.maintain()

    assert all(outcome.is_clean for outcome in outcomes)
    assert (shop.status(customer), shop.state(customer)) == (PaymentStatus.CONFIRMED, WalletState.CLOSED)
    assert shop.codes(customer) == set()


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_s15_two_sweeps_at_once_send_everything_once_and_record_it_right(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgres" else None
    with open_shop(tmp_path, database_url=url) as shop:
        shop.accept_sol()
        usdc = shop.accept_mint()
        customers = [shop.new_payment() for _ in range(12)]
        for customer in customers:
            shop.pay_sol(customer)
            shop.pay_token(customer, usdc)
            accepted_by_peer(shop, customer, WalletState.PROCESSING_PAYMENT)
        shop.settle_chain()

        with ThreadPoolExecutor(2) as pool:
            outcomes = [
                one.result() for one in [pool.submit(shop.run, "sweep"), pool.submit(shop.run, "sweep")]
            ]
        # A wallet that one of them found in the other's hands waits for the next run.
        shop.run("sweep")

        for customer in customers:
            assert_swept(shop, customer)
            assert moved(shop, customer) == {None: SOL_PRICE, str(usdc): PRICE}
            assert shop.kinds(customer) == ["wallet.swept"]
        assert [(one.set_aside, one.blocked) for one in outcomes] == [((), None)] * 2
        assert (gain(shop), gain(shop, usdc)) == (12 * SOL_PRICE, 12 * PRICE)
        assert [one.finding.code for one in shop.findings()] == ["overpaid"] * 12, "each has paid twice"
        assert_books_balance(shop)
        assert_nothing_more_happens(shop)


def test_s15_a_sweep_and_a_recheck_and_an_expire_at_once_agree(street: Street) -> None:
    shop = street.shop
    paid, unpaid = [shop.new_payment() for _ in range(4)], [shop.new_payment() for _ in range(4)]
    for customer in paid:
        shop.pay_sol(customer)
    shop.wait(minutes=31)

    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(shop.run, operation) for operation in ("recheck", "expire", "sweep", "reclaim")
        ]
        outcomes = [one.result() for one in running]
    run_all(shop)

    assert all(outcome.is_clean for outcome in outcomes)
    for customer in paid:
        assert_swept(shop, customer)
        assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
    for customer in unpaid:
        assert_closed(shop, customer)
        assert shop.kinds(customer) == ["payment.expired", "wallet.closed"]
    assert gain(shop) == 4 * SOL_PRICE
    assert shop.findings() == []
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s16_a_transaction_that_fails_on_chain_is_not_called_sent_and_is_made_anew(street: Street) -> None:
    shop = street.shop
    customers = paid_in_sol(shop, 3)

    with weather(shop, Fault("land_failed", times=1)):
        outcome = shop.run("sweep")

    assert (outcome.swept, outcome.failed_transactions, outcome.is_clean) == (3, 1, True)
    for customer in customers:
        assert_swept(shop, customer)
        assert moved(shop, customer) == {None: SOL_PRICE}
    assert gain(shop) == 3 * SOL_PRICE
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s16_a_wallet_whose_transactions_keep_failing_is_set_aside_and_tried_again_at_once_where_it_is_named(
    street: Street,
) -> None:
    shop = street.shop
    (customer,) = paid_in_sol(shop, 1)

    with weather(shop, Fault("land_failed")):
        outcome = shop.run("sweep")

    assert shop.state(customer) == WalletState.FAILED_TO_SEND_FUNDS
    (finding,) = outcome.set_aside
    assert finding.code == "transaction_failed"
    assert outcome.swept == 0
    assert outcome.failed_transactions <= 2
    assert (gain(shop), on_chain(shop, customer)) == (0, {None: SOL_PRICE})
    assert shop.run("sweep").resting == 1
    assert shop.run("sweep", payment_ids=frozenset({customer.payment_id})).swept == 1
    assert_swept(shop, customer)
    assert (gain(shop), shop.findings()) == (SOL_PRICE, [])
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s16_a_failure_that_the_next_run_finds_final_is_not_called_sent_either(street: Street) -> None:
    shop = street.shop
    (customer,) = paid_in_sol(shop, 1)
    with weather(shop, Fault("land_failed", times=1)):
        outcome = shop.run("sweep", patience_seconds=0.1)
    assert (outcome.swept, outcome.in_flight) == (0, 1)
    shop.finalize_chain()

    assert shop.run("sweep").swept == 1
    assert next(one.state for one in shop.transactions()) == "failed"
    assert_swept(shop, customer)
    assert (gain(shop), moved(shop, customer)) == (SOL_PRICE, {None: SOL_PRICE})
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s17_a_dropped_transaction_is_sent_again_while_it_lives(street: Street) -> None:
    shop = street.shop
    customers = paid_in_sol(shop, 2)
    with weather(shop, Fault("swallow", times=1)):
        outcome = shop.run("sweep")
    assert (outcome.swept, len(shop.transactions())) == (2, 1)
    for customer in customers:
        assert_swept(shop, customer)
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)


def test_s17_a_dropped_transaction_that_died_is_made_anew_and_lands_once(tmp_path: Path) -> None:
    # A blockhash lives a second and a half here.
    with open_shop(tmp_path, config=ChainConfig(slot_seconds=0.01)) as shop:
        shop.accept_sol()
        (customer,) = paid_in_sol(shop, 1)
        with weather(shop, Fault("swallow", times=1)):
            outcome = shop.run("sweep")
        assert outcome.swept == 1
        assert_swept(shop, customer)
        dead, landed = (one.state for one in shop.transactions())
        assert dead == "dead"
        assert landed in {"confirmed", "finalized"}
        assert (gain(shop), moved(shop, customer)) == (SOL_PRICE, {None: SOL_PRICE})
        assert_books_balance(shop)
        assert_nothing_more_happens(shop)


def test_s17_a_dropped_transaction_holds_up_nobody_else_for_longer_than_patience(street: Street) -> None:
    shop = street.shop
    # Two transactions: eight wallets share the first one.
    customers = paid_in_sol(shop, 10)
    started = time.monotonic()
    with weather(shop, Fault("swallow", times=1)):
        outcome = shop.run("sweep", patience_seconds=1)
    assert time.monotonic() - started < 4
    swept = [one for one in customers if shop.state(one) == WalletState.SENT_FUNDS]
    waiting = [one for one in customers if shop.state(one) == WalletState.PROCESSING_FUNDS]
    assert (len(swept), len(swept) + len(waiting)) == (outcome.swept, 10)
    assert swept
    assert outcome.in_flight == len(waiting) > 0
    assert_no_false_record(shop, customers)

    shop.run("sweep")

    for customer in customers:
        assert_swept(shop, customer)
        assert moved(shop, customer) == {None: SOL_PRICE}
    assert gain(shop) == 10 * SOL_PRICE
    assert_books_balance(shop)
    assert_nothing_more_happens(shop)
