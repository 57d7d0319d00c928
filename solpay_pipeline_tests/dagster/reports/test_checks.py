"""The checks turn red for what they are there for."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import findings
from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.ledger.tables import TransactionState, event, movement, transaction
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.reports import audits
from solpay_pipeline_tests.dagster.reports.test_reports import checks_of, make_reports
from solpay_pipeline_tests.shop import Customer, Shop


def swept(shop: Shop) -> Customer:
    shop.accept_sol()
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.run("recheck")
    shop.settle_chain()
    return customer


def red(result: dg.ExecuteInProcessResult) -> list[str]:
    return sorted(name for name, one in checks_of(result).items() if not one.passed)


@pytest.mark.slow
def test_books_that_are_one_lamport_off_do_not_balance(shop: Shop, instance: dg.DagsterInstance) -> None:
    swept(shop)
    assert red(make_reports(instance)) == []
    with shop.deployment.engine.begin() as connection:
        connection.execute(sa.update(movement).values(amount=10**8 - 1))
    result = make_reports(instance)
    assert red(result) == ["books_balance"]
    (example,) = checks_of(result)["books_balance"].metadata["examples"].value
    assert "100000000 lamports reached" in example
    assert "booked are 99999999" in example


def test_a_fee_that_was_booked_wrongly_is_found(shop: Shop, instance: dg.DagsterInstance) -> None:
    swept(shop)
    with shop.deployment.engine.begin() as connection:
        connection.execute(sa.update(transaction).values(fee=1))
    assert red(make_reports(instance)) == ["books_balance"]


def test_a_transaction_that_the_chain_does_not_know_is_found(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    swept(shop)
    with shop.deployment.engine.begin() as connection:
        connection.execute(sa.update(transaction).values(signature="5" * 88))
    result = make_reports(instance)
    assert red(result) == ["books_balance"]
    assert "the chain does not know it" in str(checks_of(result)["books_balance"].metadata["examples"].value)


def test_money_that_waits_for_more_than_six_hours_is_found_unless_it_is_set_aside(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.accept_sol()
    waiting = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    with reading(shop.deployment.engine) as connection:
        now = datetime.now(UTC) + timedelta(hours=7)
        audit = audits.nothing_waits_too_long(connection, shop.deployment.tables, now, timedelta(hours=6))
    assert not audit.passed
    assert f"wallet {waiting.wallet_id}, since" in audit.examples[0]
    # To have been told of something is no reason to wait.
    overpaid = Finding(
        FindingCode.OVERPAID, waiting.wallet_id, waiting.payment_id, "more than the price came in"
    )
    with shop.deployment.engine.begin() as connection:
        findings.note(connection, [overpaid], RunRef("run", "recheck"), now)
        audit = audits.nothing_waits_too_long(connection, shop.deployment.tables, now, timedelta(hours=6))
    assert audit.figures == {"waiting": 1, "set_aside": 0}
    # It is empty and accepted, which sweep sets aside.
    shop.run("sweep")
    with reading(shop.deployment.engine) as connection:
        audit = audits.nothing_waits_too_long(connection, shop.deployment.tables, now, timedelta(hours=6))
    assert audit.passed
    assert audit.figures == {"waiting": 0, "set_aside": 1}


def test_a_transaction_that_is_open_past_its_last_valid_block_is_found(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    swept(shop)
    with shop.deployment.engine.begin() as connection:
        connection.execute(
            sa.update(transaction).values(state=TransactionState.RECORDED, last_valid_block_height=1)
        )
    assert "nothing_is_overdue_in_flight" in red(make_reports(instance))


def test_payments_that_ended_without_evidence_are_found(shop: Shop, instance: dg.DagsterInstance) -> None:
    customer = swept(shop)
    accepted, expired = shop.new_payment(), shop.new_payment()
    with shop.deployment.engine.begin() as connection:
        connection.execute(sa.update(event).values(created_at=datetime.now(UTC) - timedelta(days=1)))
    shop.set_status(accepted, PaymentStatus.CONFIRMED)
    shop.set_status(expired, PaymentStatus.EXPIRED)
    result = make_reports(instance)
    assert red(result) == ["everything_has_evidence"]
    examples = checks_of(result)["everything_has_evidence"].metadata["examples"].value
    assert examples == [f"payment {accepted.payment_id}: accepted", f"payment {expired.payment_id}: expired"]
    assert EventKind.PAYMENT_ACCEPTED in shop.kinds(customer)
