"""A provider's rate limit is waited out by the op's retry policy, and nothing is done or counted twice."""

import json
import pickle
from typing import Any

import dagster as dg
import pytest

from solpay_pipeline.defs.failures import RETRIES
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.dagster.jobs.conftest import Launch, hurried_location, run_job
from solpay_pipeline_tests.dagster.jobs.reading import metadata_of, retries_of
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


RETRY_AFTER = 0.6
"""Longer than the client waits by itself here."""


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
    shop: Shop, launch: Launch, monkeypatch: pytest.MonkeyPatch
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
    assert retries_of(result, "sweep") == [RETRY_AFTER, RETRY_AFTER]
    told = metadata_of(result, "sweep")
    ours = our_transactions(shop)
    assert told["swept"] == 8
    assert told["transactions"] == len(ours) == len(told["signatures"])
    assert told["fee_lamports"] == sum(record.executed.fee for record in ours)
    assert told["amounts"] == [{"mint": str(mint), "base_units": "40000000"}]
    assert shop.received(mint) == 40_000_000
    assert_ledger_complete(shop)
    assert_told_once(shop, customers, "wallet.swept")


def test_a_rate_limit_without_end_fails_the_op_after_its_retries_and_stops_the_chain_of_ops(
    shop: Shop, launch: Launch
) -> None:
    shop.accept_mint()
    shop.node.faults.add(Fault("rate_limit", retry_after=RETRY_AFTER))
    result = launch("maintenance_job")
    assert not result.success
    assert retries_of(result, "expire") == [RETRY_AFTER] * RETRIES.max_retries
    assert {event.step_key for event in result.all_events if event.step_key} == {"expire"}


@pytest.mark.parametrize(
    "fault", [Fault("rate_limit"), Fault("server_error"), Fault("node_behind"), Fault("drop_before")]
)
def test_trouble_that_passes_is_retried_by_the_policy_of_the_op(
    shop: Shop, instance: dg.DagsterInstance, fault: Fault
) -> None:
    """The node mends while the op waits for its first retry."""
    shop.accept_mint()

    class Mending(dg.RetryPolicy):
        def calculate_delay(self, attempt_num: int) -> float:
            shop.node.faults.clear()
            return 0.05

    shop.node.faults.add(fault)
    result = run_job(hurried_location(Mending(max_retries=4)), instance, "sweep_job")
    assert result.success
    assert len(retries_of(result, "sweep")) == 1


def test_a_refused_key_is_not_retried(shop: Shop, launch: Launch) -> None:
    shop.accept_mint()
    shop.node.faults.add(Fault("server_error", status=403))
    result = launch("sweep_job")
    assert not result.success
    assert retries_of(result, "sweep") == []


def test_the_policy_waits_longer_each_time_and_scatters_its_waits() -> None:
    assert (RETRIES.backoff, RETRIES.jitter) == (dg.Backoff.EXPONENTIAL, dg.Jitter.PLUS_MINUS)
    assert RETRIES.max_retries >= 3


def test_what_an_op_hands_on_is_kept_and_is_plain_json_at_the_edge(shop: Shop, launch: Launch) -> None:
    """A run that goes on from its failure, in another process, reads what the ops before it handed on."""
    mint = shop.accept_mint()
    shop.accepted_and_paid(mint)
    outcome = launch("sweep_job").output_for_node("sweep")
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    assert outcome.swept == 1
    assert json.loads(json.dumps(outcome.as_json())) == outcome.as_json()
