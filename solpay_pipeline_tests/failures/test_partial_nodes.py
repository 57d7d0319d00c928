"""Nodes as they are: what one cannot tell another is asked, what none can tell is one wallet's, and nobody else waits."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from solpay_pipeline.ledger.spending import SpendingLimits
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.node import Node
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline_tests.failures.ground import ask_by, ledger_states
from solpay_pipeline_tests.failures.hostile.between import Lie, Told, between
from solpay_pipeline_tests.money.attacks.moves import take_sol
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop, weather

UNREADABLE_ITEMS = [
    ("getTransaction", -32603, "Internal error"),
    ("getTransaction", -32009, "Slot 5 was skipped, or missing in long-term storage"),
    ("getSignaturesForAddress", -32602, "address is not served"),
    ("getSignaturesForAddress", -32603, "Internal error"),
]


@contextmanager
def second_endpoint(shop: Shop, **how: int | None) -> Iterator[Node]:
    """Another node of the same chain, which is asked second."""
    with running(shop.chain, **how) as node:
        ask_by(shop, [shop.node.url, node.url], retry_window_seconds=2.0)
        yield node


def paid_payments(shop: Shop, count: int) -> list[Customer]:
    customers = [shop.new_payment() for _ in range(count)]
    for customer in customers:
        shop.pay_sol(customer)
    shop.finalize_chain()
    return customers


def about(customer: Customer, method: str, code: int, message: str) -> Fault:
    """The node cannot answer about this customer's wallet or its payments."""
    items = {str(customer.address), *customer.signatures}
    return Fault("rpc_error", methods={method}, items=items, code=code, message=message)


@pytest.mark.parametrize(("method", "code", "message"), UNREADABLE_ITEMS)
@pytest.mark.parametrize("operation", ["recheck", "expire"])
def test_one_customer_whom_no_node_can_tell_of_keeps_no_other_from_being_credited(
    tmp_path: Path, operation: str, method: str, code: int, message: str
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        unreadable, *others = paid_payments(shop, 6)
        if operation == "expire":
            shop.wait(hours=1)
        with weather(shop, about(unreadable, method, code, message)):
            outcome = shop.run(operation)
            assert [shop.status(one) for one in others] == ["confirmed"] * 5
            assert shop.status(unreadable) == "initiated"
            assert shop.codes(unreadable) == {"history_unreadable"}
            assert not outcome.is_clean
        shop.run(operation, payment_ids=frozenset({unreadable.payment_id}))
        assert shop.status(unreadable) == "confirmed"
        assert shop.codes(unreadable) == set()


@pytest.mark.parametrize(("method", "code", "message"), UNREADABLE_ITEMS)
def test_a_customer_whom_one_node_cannot_tell_of_is_credited_by_the_next(
    tmp_path: Path, method: str, code: int, message: str
) -> None:
    with open_shop(tmp_path) as shop, second_endpoint(shop):
        shop.accept_sol()
        customers = paid_payments(shop, 6)
        with weather(shop, about(customers[0], method, code, message)):
            outcome = shop.run("recheck")
        assert [shop.status(one) for one in customers] == ["confirmed"] * 6
        assert outcome.is_clean


def test_whom_no_node_can_tell_of_is_asked_for_less_and_less_often_but_when_named_at_once(
    tmp_path: Path,
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        (unreadable,) = paid_payments(shop, 1)
        now = datetime(2026, 11, 1, tzinfo=UTC)
        asked_at: list[int] = []
        with weather(shop, about(unreadable, "getTransaction", -32603, "Internal error")):
            for minute in range(60):
                shop.deployment = replace(
                    shop.deployment, clock=lambda at=now + timedelta(minutes=minute): at
                )
                shop.node.calls.clear()
                shop.run("recheck")
                if shop.node.calls["getTransaction"]:
                    asked_at.append(minute)
            assert asked_at == [0, 1, 2, 4, 8, 16, 32]
            shop.node.calls.clear()
            shop.run("recheck", payment_ids=frozenset({unreadable.payment_id}))
            assert shop.node.calls["getTransaction"]


@pytest.mark.parametrize("operation", ["expire", "sweep", "reclaim", "recheck"])
def test_what_the_shop_accepted_and_moved_itself_stops_no_operation_where_no_node_has_it(
    tmp_path: Path, operation: str
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        moved, *others = paid_payments(shop, 3)
        shop.accept_payment(moved, state=WalletState.SENT_FUNDS)
        moved.signatures.append(take_sol(shop, moved, shop.receiver))
        shop.finalize_chain()
        with weather(shop, about(moved, "getTransaction", -32009, "missing in long-term storage")):
            shop.run(operation)
            shop.run("recheck")
        assert [shop.status(one) for one in others] == ["confirmed"] * 2


def test_a_wallet_whose_account_no_node_can_read_is_neither_expired_nor_empty(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        unreadable, unpaid = shop.new_payment(), shop.new_payment()
        shop.finalize_chain()
        shop.wait(hours=1)
        with weather(shop, about(unreadable, "getMultipleAccounts", -32603, "Internal error")):
            outcome = shop.run("expire")
        assert (shop.status(unreadable), shop.status(unpaid)) == ("initiated", "expired")
        assert shop.codes(unreadable)
        assert not outcome.is_clean
        shop.run("expire")
        assert shop.status(unreadable) == "expired"
        assert shop.codes(unreadable) == set()


def test_a_look_for_more_accounts_that_one_wallet_is_refused_is_that_wallets(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        customers = paid_payments(shop, 3)
        excluded = about(
            customers[0], "getTokenAccountsByOwner", -32010, "excluded from account secondary indexes"
        )
        with weather(shop, excluded):
            outcome = shop.run("recheck", discover_accounts=True)
        assert [shop.status(one) for one in customers] == ["initiated", "confirmed", "confirmed"]
        assert shop.codes(customers[0]) == {"history_unreadable"}
        assert not outcome.is_clean


# -- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [-32602, -32601, -31999])
@pytest.mark.parametrize("method", ["getRecentPrioritizationFees", "getFeeForMessage", "getHealth"])
def test_money_moves_without_what_only_improves_things(tmp_path: Path, method: str, code: int) -> None:
    with open_shop(tmp_path, max_priority_fee=1_000) as shop:
        shop.accept_sol()
        (customer,) = shop.accepted_and_paid(None)
        ask_by(shop, [shop.node.url], retry_window_seconds=0.3)
        with weather(shop, Fault("rpc_error", methods={method}, code=code, message="no")):
            outcome = shop.run("sweep")
        assert shop.state(customer) == "sent_funds"
        assert len(outcome.remarks) == (0 if method == "getHealth" else 1)
        assert outcome.is_clean


# -- short histories --------------------------------------------------------------------------------------------------


def test_a_history_is_asked_where_it_reaches(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop, running(shop.chain, history_slots=1) as forgetful:
        shop.accept_sol()
        paid, unpaid = shop.new_payment(), shop.new_payment()
        shop.pay_sol(paid)
        shop.finalize_chain()
        shop.wait(hours=1)
        shop.finalize_chain()
        ask_by(shop, [forgetful.url], retry_window_seconds=2.0)
        shop.run("expire")
        assert shop.codes(unpaid) == shop.codes(paid) == {"history_unreadable"}
        assert (shop.status(paid), shop.status(unpaid)) == ("initiated", "initiated")

        ask_by(shop, [forgetful.url, shop.node.url], retry_window_seconds=2.0)
        outcome = shop.run("expire")
        assert (shop.status(paid), shop.status(unpaid)) == ("confirmed", "expired")
        assert shop.codes(unpaid) == shop.codes(paid) == set()
        assert outcome.is_clean
        assert forgetful.calls["getMultipleAccounts"], "it serves what needs no history"


def dropped_sweep(shop: Shop) -> Customer:
    """A sweep that was recorded and never landed, and whose blockhash has expired."""
    (customer,) = shop.accepted_and_paid(None)
    with weather(shop, Fault("swallow")):
        assert shop.run("sweep", patience_seconds=0.1).in_flight == 1
    shop.chain.advance(400)
    return customer


def test_what_no_node_can_testify_about_is_a_finding_and_no_wait(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop, running(shop.chain, history_slots=50) as forgetful:
        shop.accept_sol()
        customer = dropped_sweep(shop)
        ask_by(shop, [forgetful.url], retry_window_seconds=2.0)
        outcome = shop.run("sweep", patience_seconds=600)
        assert shop.codes(customer) == {"undecided"}
        assert not outcome.is_clean
        (finding,) = shop.findings(customer)
        assert "SOLPAY_RPC_URLS" in finding.finding.explanation

        ask_by(shop, [forgetful.url, shop.node.url], retry_window_seconds=2.0)
        shop.run("sweep")
        assert shop.state(customer) == "sent_funds"
        assert shop.codes(customer) == set()
        assert shop.received() == SOL + SOL // 10


def test_what_landed_counts_from_whichever_node_remembers_it(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop, running(shop.chain, history_slots=50) as forgetful:
        shop.accept_sol()
        (customer,) = shop.accepted_and_paid(None)
        with weather(shop, Fault("drop_after", methods={"sendTransaction"}), Fault("status_late", slots=300)):
            assert shop.run("sweep", patience_seconds=0.1).in_flight == 1
        shop.chain.advance(400)
        ask_by(shop, [forgetful.url, shop.node.url], retry_window_seconds=2.0)
        outcome = shop.run("sweep")
        assert ledger_states(shop) == [TransactionState.FINALIZED]
        assert shop.state(customer) == "sent_funds"
        assert outcome.is_clean


# -- lying prices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [0, 1, 10**12])
def test_a_fee_that_no_cluster_takes_neither_blinds_the_limits_of_spending_nor_stops_work(
    tmp_path: Path, told: int
) -> None:
    with open_shop(tmp_path) as shop, between(shop.node.url) as liar:
        shop.accept_sol()
        shop.accepted_and_paid(*[None] * 20)
        liar.begin(_another_value(told), "getFeeForMessage")
        ask_by(shop, [liar.url], retry_window_seconds=0.3)
        limits = SpendingLimits(per_run=60_000)
        shop.deployment = replace(shop.deployment, spending=limits)
        outcome = shop.run("sweep")
        assert outcome.stopped_reason == "max_spent_per_run"
        assert 0 < outcome.fees <= 60_000


@pytest.mark.parametrize("told", [0, 10**15])
def test_a_rent_that_no_cluster_takes_is_asked_of_the_next_node(tmp_path: Path, told: int) -> None:
    with open_shop(tmp_path) as shop, between(shop.node.url) as liar:
        shop.accept_sol()
        mint = shop.accept_mint()
        (customer,) = shop.accepted_and_paid(mint)
        liar.begin(_plain_value(told), "getMinimumBalanceForRentExemption")
        ask_by(shop, [liar.url, shop.node.url], retry_window_seconds=2.0)
        shop.run("sweep")
        assert shop.state(customer) == "sent_funds"


def _another_value(value: int) -> Lie:
    return lambda _request, honest: Told(_with(honest, {"context": {"slot": 9}, "value": value}))


def _plain_value(value: int) -> Lie:
    return lambda _request, honest: Told(_with(honest, value))


def _with(honest: bytes, result: object) -> bytes:
    return json.dumps(json.loads(honest) | {"result": result}).encode()
