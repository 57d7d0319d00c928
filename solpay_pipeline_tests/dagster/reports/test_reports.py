"""The reports of a day, as an asset's run and as a frame."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.definitions import defs
from solpay_pipeline.ledger.tables import transaction
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.reports.report import REPORTS, build_report, records_of, shown_rows
from solpay_pipeline.reports.window import BadDay, Window, window_of
from solpay_pipeline_tests.dagster.jobs.conftest import QUIET
from solpay_pipeline_tests.shop import Customer, Shop

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


def make_reports(instance: dg.DagsterInstance, day: str = TODAY) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("reports_job").execute_in_process(
        instance=instance, partition_key=day, run_config=QUIET, raise_on_error=False
    )


def metadata_of_asset(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node(name)
    assert made.partition == TODAY
    return dict(made.metadata)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


@pytest.fixture
def a_day(shop: Shop) -> tuple[Shop, Pubkey, list[Customer]]:
    """One payment each: by token, by SOL, short, and one that the peer accepted; all maintained."""
    shop.accept_sol()
    mint = shop.accept_mint()
    by_token, by_sol, short = (shop.new_payment() for _ in range(3))
    by_peer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_token(by_token, mint)
    shop.pay_sol(by_sol)
    shop.pay_sol(short, "0.04")
    signature = shop.pay_token(by_peer, mint)
    shop.change_payment(by_peer, paid_token_id=shop.tokens[mint].row_id, signature=signature)
    shop.settle_chain()
    shop.run("recheck")
    shop.wait(hours=1)
    shop.maintain()
    shop.settle_chain()
    return shop, mint, [by_token, by_sol, short, by_peer]


def rows_by(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows}


def test_the_settlements_of_a_day_are_exact_in_base_units(a_day: tuple[Shop, Pubkey, list[Customer]]) -> None:
    shop, mint, _ = a_day
    with reading(shop.deployment.engine) as connection:
        report = build_report(
            connection, shop.deployment.tables, window_of(TODAY), {str(mint): 6}, datetime.now(UTC)
        )
        fees = sum(connection.scalars(sa.select(transaction.c.fee)))
    rows = rows_by(records_of(report.frames["settlements"]), "mint")
    token, sol = rows[str(mint)], rows["SOL"]
    assert (token["accepted_payments"], token["accepted"], token["swept"]) == (2, "10000000", "10000000")
    assert (sol["accepted_payments"], sol["accepted"], sol["swept"]) == (1, "100000000", "100000000")
    assert sol["held"] == "40000000"
    assert sol["fees"] == str(fees)
    assert int(sol["rent_back"]) > 0
    assert token["set_aside"] == sol["set_aside"] == 0


def test_what_is_held_more_of_the_same_day_is_not_told_twice(
    a_day: tuple[Shop, Pubkey, list[Customer]],
) -> None:
    shop, mint, (_, _, short, _) = a_day
    shop.pay_sol(short, "0.01")
    shop.settle_chain()
    shop.maintain()
    with reading(shop.deployment.engine) as connection:
        now = datetime.now(UTC)
        report = build_report(connection, shop.deployment.tables, window_of(TODAY), {str(mint): 6}, now)
    assert rows_by(records_of(report.frames["settlements"]), "mint")["SOL"]["held"] == "50000000"


def test_the_states_costs_and_ages_of_a_day_add_up(a_day: tuple[Shop, Pubkey, list[Customer]]) -> None:
    shop, _, customers = a_day
    with reading(shop.deployment.engine) as connection:
        frames = build_report(
            connection, shop.deployment.tables, window_of(TODAY), {}, datetime.now(UTC)
        ).frames
    states = rows_by(records_of(frames["wallet_states"]), "state")
    assert states["sent_funds"]["wallets"] == 3
    assert states["received_funds"]["wallets"] == 1
    assert sum(row["wallets"] for row in states.values()) == len(customers)
    costs = rows_by(records_of(frames["operation_costs"]), "operation")
    assert sum(row["landed"] for row in costs.values()) == len(shop.transactions())
    assert costs["recheck"]["wallets"] + costs["sweep"]["wallets"] >= 3
    assert sum(row["payments"] for row in records_of(frames["open_payments"])) == 0


def test_the_age_of_open_payments_can_be_told_of_a_day_that_is_over(shop: Shop) -> None:
    shop.accept_sol()
    settled, still_open = shop.new_payment(), shop.new_payment()
    shop.pay_sol(settled)
    shop.settle_chain()
    now = datetime.now(UTC)
    table = shop.deployment.tables.payment
    with shop.deployment.engine.begin() as connection:
        connection.execute(
            sa.update(table).values(created=now - timedelta(days=2), updated=now - timedelta(days=2))
        )
    shop.run("recheck", forward_funds=False)
    yesterday, later = now - timedelta(days=1), datetime.now(UTC)
    window = Window(yesterday - timedelta(days=1), yesterday)
    with reading(shop.deployment.engine) as connection:
        frames = [
            build_report(connection, shop.deployment.tables, one, {}, later).frames["open_payments"]
            for one in (window, Window(yesterday, later))
        ]
    then, today = (rows_by(records_of(frame), "age") for frame in frames)
    assert then["1 to 7 days"]["payments"] == 2
    assert today["1 to 7 days"]["payments"] == 1
    assert shop.status(still_open) == "initiated"


def test_the_reports_are_assets_with_a_plot_a_table_and_numbers_and_their_checks_are_green(
    a_day: tuple[Shop, Pubkey, list[Customer]], instance: dg.DagsterInstance
) -> None:
    _, mint, _ = a_day
    result = make_reports(instance)
    assert result.success, [event.message for event in result.all_events if event.is_step_failure]
    for name in REPORTS:
        metadata = metadata_of_asset(result, name)
        picture = metadata["plot"].value
        png = base64.b64decode(picture.partition("base64,")[2].rstrip(")"))
        assert png.startswith(b"\x89PNG")
        assert len(png) < 100_000
        assert metadata["table"].records
    money = metadata_of_asset(result, "settlements")
    assert money[f"{mint}/swept"].value == 10_000_000
    assert money["SOL/held"].value == 40_000_000
    assert "| SOL | 9 | 1 | 0.1 |" in money["shown"].value
    checks = checks_of(result)
    assert {name: one.passed for name, one in checks.items()} == {
        "books_balance": True,
        "nothing_waits_too_long": True,
        "nothing_is_overdue_in_flight": True,
        "everything_has_evidence": True,
    }
    assert checks["books_balance"].metadata["transactions"].value > 0


def test_amounts_beyond_a_double_are_told_to_the_last_unit(shop: Shop) -> None:
    mint = shop.accept_mint("5", decimals=0)
    odd = 2**63 + 1
    customer = shop.new_payment(prices={mint: "1"})
    shop.pay_token(customer, mint, str(odd))
    shop.settle_chain()
    shop.run("recheck")
    with reading(shop.deployment.engine) as connection:
        frame = build_report(
            connection, shop.deployment.tables, window_of(TODAY), {str(mint): 0}, datetime.now(UTC)
        ).frames["settlements"]
    row = rows_by(records_of(frame), "mint")[str(mint)]
    assert (row["accepted"], row["swept"]) == (str(odd), str(odd))
    assert rows_by(shown_rows(frame), "mint")[str(mint)]["swept"] == f"{odd:,}"
    assert json.loads(json.dumps(records_of(frame)))


@pytest.mark.parametrize(
    ("first", "last"), [("yesterday", None), ("2026-13-01", None), ("2026-11-22", "2026-11-21")]
)
def test_what_is_no_day_is_refused(first: str, last: str | None) -> None:
    with pytest.raises(BadDay):
        window_of(first, last)
