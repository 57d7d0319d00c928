"""The sensor watches balances and requests a recheck of just those payments that have enough money."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa
from solders.account import Account

from solpay_pipeline.chain.reading.addresses import SYSTEM_PROGRAM_ID
from solpay_pipeline.defs import recheck_requests
from solpay_pipeline.defs.recheck_sensor import make_recheck_sensor
from solpay_pipeline.ledger.migrations.migrate import VERSION_TABLE
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.operations import balance_scan as notice_module
from solpay_pipeline.settings.model import Timetable
from solpay_pipeline_tests.dagster.sensors.ticks import after_of, payment_ids, perform, requested, tick
from solpay_pipeline_tests.shop import Shop


def pay(shop: Shop, count: int = 1) -> list[int]:
    """So many payments in SOL, each paid."""
    customers = [shop.new_payment() for _ in range(count)]
    for customer in customers:
        shop.pay_sol(customer)
    shop.settle_chain()
    return [customer.payment_id for customer in customers]


def test_a_tick_requests_just_the_payments_that_have_enough_money(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.accept_sol()
    mint = shop.accept_mint()
    empty, short, by_sol, by_token = (shop.new_payment() for _ in range(4))
    shop.pay_sol(short, "0.05")
    shop.pay_sol(by_sol)
    shop.pay_token(by_token, mint)
    shop.settle_chain()
    data = tick(instance)
    assert requested(data) == [by_sol.payment_id, by_token.payment_id]
    assert empty.payment_id not in requested(data)


def test_what_is_enough_money_and_how_long_it_is_looked_for_the_settings_say(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    short = shop.new_payment()
    shop.pay_sol(short, "0.0996")
    over = shop.new_payment(
        status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED, lasts=timedelta(days=-8)
    )
    shop.pay_sol(over)
    shop.settle_chain()
    assert requested(tick(instance)) == []
    monkeypatch.setenv("SOLPAY_UNDERPAYMENT_TOLERANCE", "0.5%")
    assert requested(tick(instance)) == [short.payment_id]
    monkeypatch.setenv("SOLPAY_WATCH_DAYS", "30")
    assert requested(tick(instance)) == [short.payment_id, over.payment_id]


def test_the_requested_run_accepts_and_sweeps_and_the_next_tick_says_why_it_skips(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.accept_sol()
    (paid,) = pay(shop)
    (request,) = tick(instance).run_requests or ()
    assert perform(instance, request).success
    shop.settle_chain()
    data = tick(instance)
    assert not data.run_requests
    assert data.skip_message
    assert "looked at 0 open payments" in data.skip_message
    assert shop.received() > 10**9
    assert payment_ids(request) == [paid]


def test_the_same_finding_is_requested_once(shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.accept_sol()
    customer = shop.new_payment()
    shop.wait(hours=1)
    shop.pay_sol(customer)
    shop.settle_chain()
    (request,) = tick(instance).run_requests or ()
    assert perform(instance, request).success
    assert shop.status(customer) == "initiated", "it was paid late, which is for expire to say"
    data = tick(instance)
    assert not data.run_requests
    assert "being rechecked or were" in str(data.skip_message)


def test_more_money_makes_another_finding(shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.accept_sol()
    customer = shop.new_payment()
    shop.wait(hours=1)
    shop.pay_sol(customer)
    shop.settle_chain()
    (first,) = tick(instance).run_requests or ()
    perform(instance, first)
    shop.pay_sol(customer)
    shop.settle_chain()
    (second,) = tick(instance).run_requests or ()
    assert first.run_key != second.run_key


def test_a_finding_whose_run_failed_is_requested_again_after_a_pause(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    pay(shop)
    (first,) = tick(instance).run_requests or ()
    with monkeypatch.context() as broken:
        broken.setenv("SOLPAY_CLUSTER", "devnet")
        assert not perform(instance, first).success
    assert not tick(instance).run_requests, "at once it would only fail again"

    funded = [
        notice_module.FundedPayment(payment_ids(first)[0], (("SOL", 10**8),)),
    ]
    later = datetime.now(UTC) + timedelta(seconds=61)
    (second,) = recheck_requests.requests_for(instance, funded, later, 30).requests
    assert payment_ids(second) == payment_ids(first)
    assert second.run_key != first.run_key
    assert second.tags[recheck_requests.FINGERPRINT] == first.tags[recheck_requests.FINGERPRINT]


def test_a_payment_that_nobody_can_judge_does_not_make_the_runs_of_all_others_fail(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.accept_sol()
    strange = shop.new_payment()
    out_of_nowhere = Account(10**8, b"", SYSTEM_PROGRAM_ID, False, 0)
    shop.chain.put_account(strange.address, out_of_nowhere)
    (paid,) = pay(shop)
    (first,) = tick(instance).run_requests or ()
    assert payment_ids(first) == [strange.payment_id, paid]
    assert not perform(instance, first).success, "a person is to look at what was set aside"

    (other,) = pay(shop)
    second, again = tick(instance).run_requests or ()
    assert (payment_ids(second), payment_ids(again)) == ([other], [strange.payment_id])
    assert perform(instance, second).success
    assert not perform(instance, again).success

    (another,) = pay(shop)
    assert requested(tick(instance)) == [another], "the strange one is tried again after a pause"


def test_a_payment_that_a_run_is_rechecking_is_not_requested(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    from dagster._core.test_utils import create_run_for_test

    shop.accept_sol()
    first, second = pay(shop, 2)
    create_run_for_test(
        instance,
        job_name="recheck_job",
        run_config={"ops": {"config": {"payment_ids": [first]}}},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert requested(tick(instance)) == [second]


def test_an_expired_payment_within_the_watch_window_is_watched_and_a_held_one_is_not(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.accept_sol()
    expired = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED)
    held = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.RECEIVED_FUNDS)
    over = shop.new_payment(
        status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED, lasts=timedelta(days=-8)
    )
    for customer in (expired, held, over):
        shop.pay_sol(customer)
    shop.settle_chain()
    assert requested(tick(instance)) == [expired.payment_id]


def test_a_tick_that_runs_out_of_time_goes_on_at_the_next_one(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    hasty = make_recheck_sensor(Timetable(page=2), look_seconds=1.0)
    shop.accept_sol()
    paid = pay(shop, 7)
    shop.node.faults.add(Fault("latency", methods={"getMultipleAccounts"}, seconds=0.3))
    data = tick(instance, sensor=hasty)
    seen, ticks = requested(data), 1
    while after_of(data):
        data = tick(instance, data.cursor, sensor=hasty)
        seen += requested(data)
        ticks += 1
        assert ticks < 10
    assert seen == paid
    assert ticks > 1


def test_an_outage_skips_with_its_reason_and_leaves_the_cursor(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    hasty = make_recheck_sensor(Timetable(), look_seconds=1.0)
    shop.accept_sol()
    first, second = pay(shop, 2)
    outage = shop.node.faults.add(Fault("server_error"))
    data = tick(instance, json.dumps({"after": first, "refusals": 0, "not_before": None}), sensor=hasty)
    assert not data.run_requests
    assert "until the time was up" in str(data.skip_message)
    assert after_of(data) == first
    shop.node.faults.remove(outage)
    assert requested(tick(instance, data.cursor)) == [second]


def test_a_rate_limit_makes_the_sensor_wait_longer_each_time(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    pay(shop)
    limit = shop.node.faults.add(Fault("rate_limit", retry_after=120))
    first = tick(instance)
    kept = json.loads(first.cursor or "")
    assert kept["refusals"] == 1
    assert 100 < (datetime.fromisoformat(kept["not_before"]) - datetime.now(UTC)).total_seconds() <= 120
    assert "could not be read" in str(first.skip_message)

    calls = shop.node.calls.total()
    waiting = tick(instance, first.cursor)
    assert "asked for patience" in str(waiting.skip_message)
    assert shop.node.calls.total() == calls

    again = tick(instance, json.dumps({**kept, "not_before": datetime.now(UTC).isoformat()}))
    assert json.loads(again.cursor or "")["refusals"] == 2
    shop.node.faults.remove(limit)
    good = tick(instance, json.dumps({**kept, "not_before": datetime.now(UTC).isoformat()}))
    assert json.loads(good.cursor or "")["refusals"] == 0
    assert good.run_requests


def test_a_cursor_that_is_none_begins_anew(shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.accept_sol()
    (paid,) = pay(shop)
    assert requested(tick(instance, "what is this")) == [paid]


def test_what_a_person_must_mend_fails_the_tick_with_one_line(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    monkeypatch.setenv("SOLPAY_CLUSTER", "devnet")
    with pytest.raises(Exception, match="not devnet"):
        tick(instance)


def test_a_shop_that_has_not_been_set_up_is_told_what_to_do(shop: Shop, instance: dg.DagsterInstance) -> None:
    shop.accept_sol()
    pay(shop)
    with shop.deployment.engine.begin() as connection:
        connection.execute(sa.delete(sa.table(VERSION_TABLE)))
    with pytest.raises(Exception, match="run `solpay init`"):
        tick(instance)
