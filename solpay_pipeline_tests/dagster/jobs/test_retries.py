"""Trouble that passes is waited out within the op, told meanwhile, and nothing is done or counted twice."""

import json
import pickle
from typing import Any

import dagster as dg
import pytest

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.operations import persistence
from solpay_pipeline_tests.dagster.jobs.conftest import Launch, hurried_location
from solpay_pipeline_tests.dagster.jobs.reading import failure_of, metadata_of, retries_of
from solpay_pipeline_tests.failures.crashes.ground import (
    assert_ledger_complete,
    assert_told_once,
    our_transactions,
)
from solpay_pipeline_tests.shop import Shop


@pytest.fixture
def location() -> dg.Definitions:
    """What would be waited half a minute for, is waited half a second for."""
    return hurried_location()


RETRY_AFTER = 1.2
"""Longer than the client waits by itself here, and long enough to be told."""

TRIES = 3


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "WAITS", (0.05,) * (TRIES - 1))


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The lines of a run's log."""
    return [entry.user_message for entry in instance.all_logs(run_id) if entry.dagster_event is None]


def once_money_has_left(shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Let a fault begin with the third transaction: the first is the receiver's account, then come wallets."""
    strike = shop.node.faults.strike
    waiting = [fault]

    def strike_later(*request: Any) -> list[Fault]:
        if waiting and shop.node.calls["sendTransaction"] >= 3:
            shop.node.faults.add(waiting.pop())
        return strike(*request)

    monkeypatch.setattr(shop.node.faults, "strike", strike_later)


def test_a_rate_limited_sweep_goes_on_where_it_was_and_counts_everything_once(
    shop: Shop, launch: Launch, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = shop.accept_mint()
    customers = [
        shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        for _ in range(8)
    ]
    for customer in customers:
        shop.pay_token(customer, mint)
    shop.settle_chain()
    limit = Fault("rate_limit", methods={"getMultipleAccounts"}, times=2, retry_after=RETRY_AFTER)
    once_money_has_left(shop, monkeypatch, limit)

    result = launch("sweep_job")

    assert result.success
    waits = [line for line in told(instance, result.run_id) if "waiting 1 s" in line]
    assert len(waits) == 2
    assert all(line.startswith("sweep: ") and "127.0.0.1" in line and "429" in line for line in waits)
    shown = metadata_of(result, "sweep")
    ours = our_transactions(shop)
    assert shown["swept"] == 8
    assert shown["transactions"] == len(ours) == len(shown["signatures"])
    assert shown["fee_lamports"] == sum(record.executed.fee for record in ours)
    assert shown["amounts"] == [{"mint": str(mint), "base_units": "40000000"}]
    assert shop.received(mint) == 40_000_000
    assert_ledger_complete(shop)
    assert_told_once(shop, customers, "wallet.swept")


def test_a_rate_limit_without_end_fails_the_run_with_the_limit_and_the_endpoint_as_its_headline(
    shop: Shop, launch: Launch
) -> None:
    shop.accept_mint()
    shop.node.faults.add(Fault("rate_limit", retry_after=RETRY_AFTER))
    result = launch("maintenance_job")
    assert not result.success
    words = failure_of(result, "expire")
    assert words.startswith("RateLimited: http://127.0.0.1:")
    assert "it wants fewer requests" in words
    assert f"after {TRIES} tries" in words
    # The op has waited by itself, within its time; Dagster is not to wait once more.
    assert retries_of(result, "expire") == [0] * (TRIES - 1)


def test_what_keeps_an_operation_from_beginning_is_waited_for_once_and_not_by_each(
    shop: Shop, launch: Launch, instance: dg.DagsterInstance
) -> None:
    shop.accept_mint()
    shop.node.faults.add(Fault("rate_limit", retry_after=RETRY_AFTER))
    result = launch("maintenance_job")
    assert {event.step_key for event in result.all_events if event.is_step_start} == {"expire"}
    assert len([line for line in told(instance, result.run_id) if "waiting" in line]) == TRIES - 1


@pytest.mark.parametrize(
    "fault", [Fault("rate_limit"), Fault("server_error"), Fault("node_behind"), Fault("drop_before")]
)
def test_trouble_that_passes_is_waited_out(
    shop: Shop, launch: Launch, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node mends while the op waits for its second try."""
    shop.accept_mint()
    wait = persistence._wait

    def mending(*asked: Any) -> float:
        shop.node.faults.clear()
        return wait(*asked)

    monkeypatch.setattr(persistence, "_wait", mending)
    shop.node.faults.add(fault)
    assert launch("sweep_job").success


def test_a_refused_key_is_not_retried(shop: Shop, launch: Launch) -> None:
    shop.accept_mint()
    shop.node.faults.add(Fault("server_error", status=403))
    result = launch("sweep_job")
    assert not result.success
    assert retries_of(result, "sweep") == []


def test_what_an_op_hands_on_is_kept_and_is_plain_json_at_the_edge(shop: Shop, launch: Launch) -> None:
    """A run that goes on from its failure, in another process, reads what the ops before it handed on."""
    mint = shop.accept_mint()
    shop.accepted_and_paid(mint)
    outcome = launch("sweep_job").output_for_node("sweep")
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    assert outcome.swept == 1
    assert json.loads(json.dumps(outcome.as_json())) == outcome.as_json()
