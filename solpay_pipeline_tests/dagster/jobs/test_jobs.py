"""The jobs as Dagster runs them: what they do to wallets, and what they tell on the run page."""

import dagster as dg
import pytest

from solpay_pipeline.definitions import defs
from solpay_pipeline.defs.jobs import OPERATION_JOBS
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline_tests.dagster.jobs.conftest import Launch
from solpay_pipeline_tests.dagster.jobs.reading import failure_of, metadata_of, retries_of
from solpay_pipeline_tests.shop import Customer, Shop

ACCEPTED = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
CLOSING = {"status": PaymentStatus.EXPIRED, "state": WalletState.PAYMENT_EXPIRED}

# Longer than a run waits here.
_HIDDEN_SLOTS = 1_000


def accepted(shop: Shop) -> Customer:
    return shop.new_payment(**ACCEPTED)  # type: ignore[arg-type]


def test_maintenance_brings_every_wallet_to_rest_and_tells_it_in_numbers(shop: Shop, launch: Launch) -> None:
    shop.accept_sol()
    mint = shop.accept_mint()
    sold, due, short = accepted(shop), shop.new_payment(), shop.new_payment()
    closing = shop.new_payment(**CLOSING)  # type: ignore[arg-type]
    shop.pay_token(sold, mint)
    shop.pay_sol(short, "0.01")
    shop.wait(hours=1)

    result = launch("maintenance_job")

    assert result.success
    assert [shop.state(one) for one in (sold, due, short, closing)] == [
        "sent_funds",
        "payment_expired_and_wallet_closed",
        "received_funds",
        "payment_expired_and_wallet_closed",
    ]
    told = {op: metadata_of(result, op) for op in ("expire", "sweep", "reclaim")}
    assert (told["expire"]["expired"], told["expire"]["held_count"]) == (2, 1)
    assert (told["sweep"]["swept"], told["reclaim"]["closed"]) == (1, 1)
    assert told["sweep"]["amounts"] == [{"mint": str(mint), "base_units": "5000000"}]
    (held,) = told["expire"]["findings"]
    assert (held["code"], held["amount"], held["payment"]) == ("short", "10000000", str(short.payment_id))
    for op, metadata in told.items():
        ours = [row for row in shop.transactions() if row.operation == op]
        assert metadata["signatures"] == [row.signature for row in ours]
        assert metadata["transactions"] == len(ours)
        assert metadata["fee_lamports"] == sum(
            shop.chain.history.get(row.signature).executed.fee  # type: ignore[union-attr]
            for row in ours
        )
        assert metadata["rent_lamports"] > 0
        assert metadata["rpc_calls"]
        assert metadata["stopped_reason"] == "done"
    assert {row.run_id for row in shop.transactions()} == {result.run_id}


@pytest.mark.parametrize(
    ("job", "op", "count"),
    [
        ("expire_job", "expire", "expired"),
        ("sweep_job", "sweep", "swept"),
        ("reclaim_job", "reclaim", "closed"),
        ("recheck_job", "recheck", "accepted"),
    ],
)
def test_each_operation_has_a_job_of_its_own(
    shop: Shop, launch: Launch, job: str, op: str, count: str
) -> None:
    mint = shop.accept_mint()
    shop.pay_token(accepted(shop), mint)
    shop.new_payment(**CLOSING)  # type: ignore[arg-type]
    if op == "recheck":
        shop.pay_token(shop.new_payment(), mint)
        shop.settle_chain()
    else:
        shop.new_payment()
        shop.wait(hours=1)
    result = launch(job)
    assert result.success
    assert metadata_of(result, op)[count] >= 1
    others = {"expire", "sweep", "reclaim", "recheck"} - {op}
    assert {row.operation for row in shop.transactions()} <= {op}
    assert not others & {event.step_key for event in result.all_events}


def test_options_in_the_launchpad_are_those_of_the_command_line(shop: Shop, launch: Launch) -> None:
    mint = shop.accept_mint()
    first, second = accepted(shop), accepted(shop)
    for customer in (first, second):
        shop.pay_token(customer, mint)
    shop.settle_chain()
    dry = launch("sweep_job", dry_run=True)
    assert metadata_of(dry, "sweep")["dry_run"] is True
    assert shop.transactions() == []
    launch("sweep_job", payment_ids=[second.payment_id])
    assert (shop.state(first), shop.state(second)) == ("processing_payment", "sent_funds")


def test_tolerance_and_watch_days_come_from_the_settings(
    shop: Shop, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    short, late = shop.new_payment(), shop.new_payment()
    shop.pay_sol(short, "0.0996")
    shop.settle_chain()
    assert launch("recheck_job").success
    assert shop.status(short) == "initiated"
    monkeypatch.setenv("SOLPAY_UNDERPAYMENT_TOLERANCE", "0.5%")
    monkeypatch.setenv("SOLPAY_WATCH_DAYS", "0")
    assert launch("recheck_job").success
    assert shop.status(short) == "confirmed"

    shop.wait(hours=1)
    assert launch("expire_job").success
    shop.pay_sol(late)
    shop.settle_chain()
    assert launch("expire_job").success
    assert shop.state(late) == "payment_expired_and_wallet_closed", "nobody watches it"
    monkeypatch.setenv("SOLPAY_WATCH_DAYS", "1")
    assert launch("expire_job").success
    assert shop.state(late) == "received_funds"


def test_a_run_in_which_something_was_set_aside_fails_after_all_else_is_done(
    shop: Shop, launch: Launch, instance: dg.DagsterInstance
) -> None:
    mint = shop.accept_mint()
    good, frozen, due = accepted(shop), accepted(shop), shop.new_payment()
    for customer in (good, frozen):
        shop.pay_token(customer, mint)
    shop.seed.freeze(shop.ata(frozen.address, mint), mint)
    shop.wait(hours=1)

    result = launch("maintenance_job")

    assert not result.success
    assert [event.step_key for event in result.all_events if event.is_step_failure] == ["verdict"]
    assert (shop.state(good), shop.state(due)) == ("sent_funds", "payment_expired_and_wallet_closed")
    words = failure_of(result, "verdict")
    assert words.startswith("1 set aside or left undone, all else is done:")
    assert f"wallet {frozen.wallet_id}, payment {frozen.payment_id}" in words
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["solpay/set_aside"] == "1"
    assert retries_of(result, "verdict") == []


def test_an_operation_that_cannot_go_on_keeps_the_others_from_nothing_and_is_the_headline(
    shop: Shop, launch: Launch
) -> None:
    shop.accept_sol()
    sold, due = accepted(shop), shop.new_payment()
    shop.pay_sol(sold)
    shop.wait(hours=1)
    missing = Fault("rpc_error", methods={"getSignaturesForAddress"}, code=-32601, message="no such method")
    shop.node.faults.add(missing)

    result = launch("maintenance_job")

    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["verdict"]
    headline = failure_of(result, "verdict").splitlines()[0]
    assert headline.startswith("expire: ")
    assert "no such method" in headline
    assert (shop.state(sold), shop.status(due)) == ("sent_funds", "initiated")
    assert metadata_of(result, "sweep")["swept"] == 1
    assert "deliver_events" in {event.step_key for event in result.all_events if event.is_step_success}


def test_a_run_whose_transactions_were_not_seen_is_red_and_the_next_has_their_sums(
    shop: Shop, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.accept_sol()
    customer = accepted(shop)
    shop.pay_sol(customer)
    shop.settle_chain()
    monkeypatch.setattr(OperationContext, "patience", lambda _: 1.0)
    late = shop.node.faults.add(Fault("status_late", slots=_HIDDEN_SLOTS))

    result = launch("sweep_job")

    assert not result.success
    assert metadata_of(result, "sweep")["unseen"] == 1
    assert "sweep: 1 left undone: transactions" in failure_of(result, "verdict")

    shop.node.faults.remove(late)
    shop.chain.advance(_HIDDEN_SLOTS + 1)
    again = launch("sweep_job")
    assert again.success
    told = metadata_of(again, "sweep")
    assert (told["settled"], told["transactions"]) == (1, 1)
    assert told["amounts"] == [{"mint": "SOL", "base_units": "100000000"}]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SOLPAY_CLUSTER", "devnet", "not devnet"),
        ("SOLPAY_CLUSTER", "nowhere", "SOLPAY_CLUSTER: "),
        ("SOLPAY_PAYMENT_TABLE", "shop_orderpayment", "run `solpay init`"),
        ("SOLPAY_DATABASE_URL", "sqlite:////no/such/folder/shop.db", "does not exist"),
        ("SOLPAY_WALLET_KEYS", None, "SOLPAY_WALLET_KEYS: is missing"),
    ],
)
def test_what_only_a_person_can_mend_fails_at_once_and_says_how(
    shop: Shop,
    launch: Launch,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str | None,
    words: str,
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    result = launch("maintenance_job")
    assert not result.success
    assert words in failure_of(result, "expire")
    assert retries_of(result, "expire") == []
    assert {event.step_key for event in result.all_events if event.is_step_start} == {"expire"}
    assert shop.node.calls["getMultipleAccounts"] == 0


def test_a_bad_option_fails_at_once(shop: Shop, launch: Launch) -> None:
    result = launch("recheck_job", limit=0)
    assert not result.success
    assert "limit" in failure_of(result, "recheck")
    assert retries_of(result, "recheck") == []


def test_no_job_is_run_again_by_the_instance_for_what_its_ops_have_judged() -> None:
    for job in OPERATION_JOBS.values():
        assert job.tags["dagster/retry_on_asset_or_op_failure"] == "false"


@pytest.mark.parametrize("name", ["maintenance_job", "expire_job", "sweep_job", "reclaim_job", "recheck_job"])
def test_a_job_that_moves_money_never_runs_beside_another_of_its_kind(name: str) -> None:
    kind = "recheck" if name == "recheck_job" else "maintenance"
    assert defs.resolve_job_def(name).tags["solpay/exclusive"] == kind


def test_the_code_location_is_sound() -> None:
    dg.Definitions.validate_loadable(defs)
