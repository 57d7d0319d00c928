"""Promises that hold: nobody loses money by a fork, a second process, a small page or a dry run."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import metadata
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

OPERATIONS = ("expire", "sweep", "reclaim", "recheck")


def _everything(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    tables = [*shop.deployment.tables.all, *metadata.sorted_tables]
    with reading(shop.deployment.engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.columns))]
            for table in tables
        }


def _street(shop: Shop) -> tuple[dict[str, Customer], Pubkey, Pubkey]:
    """A customer of every kind, an hour after all of them came; nobody has looked since."""
    shop.accept_sol()
    plain = shop.accept_mint()
    taxed = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    names = ("sol", "token", "taxed", "short", "unpaid", "late", "both", "live")
    lasting = {"live": timedelta(hours=5)}
    street = {name: shop.new_payment(lasts=lasting.get(name, timedelta(minutes=30))) for name in names}
    shop.pay_sol(street["sol"])
    shop.pay_token(street["token"], plain)
    shop.pay_token(street["taxed"], taxed, "6")
    shop.pay_sol(street["short"], "0.05")
    shop.pay_sol(street["both"])
    shop.pay_token(street["both"], plain)
    shop.wait(hours=1)
    shop.pay_sol(street["late"])
    shop.settle_chain()
    return street, plain, taxed


def _states(shop: Shop, street: dict[str, Customer]) -> dict[str, tuple[str, str]]:
    return {name: (shop.status(customer), shop.state(customer)) for name, customer in street.items()}


EXPECTED = {
    "sol": ("confirmed", "sent_funds"),
    "token": ("confirmed", "sent_funds"),
    "taxed": ("confirmed", "sent_funds"),
    "short": ("expired", "received_funds"),
    "unpaid": ("expired", "payment_expired_and_wallet_closed"),
    "late": ("expired", "received_funds"),
    "both": ("confirmed", "sent_funds"),
    "live": ("initiated", "created"),
}


def test_a_dry_run_writes_nothing_and_sends_nothing(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        street, _, _ = _street(shop)
        for customer in street.values():
            shop.set_state(customer, WalletState.PROCESSING_PAYMENT)
        before, landed = _everything(shop), shop.chain.history.count()
        for operation in OPERATIONS:
            shop.run(operation, dry_run=True, sweep_held_funds=True)
        assert _everything(shop) == before
        assert shop.chain.history.count() == landed


@pytest.mark.slow
def test_pages_of_one_wallet_lead_to_the_same_end(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        street, plain, _ = _street(shop)
        shop.maintain(page_size=1)
        assert _states(shop, street) == EXPECTED
        assert shop.received() == SOL + 2 * SOL // 10
        assert shop.received(plain) == 10_000_000
        before = _everything(shop)
        again = shop.maintain(page_size=1)
        assert sum(len(outcome.signatures) for outcome in again) == 0
        assert _everything(shop)["solpay_event"] == before["solpay_event"]


@pytest.mark.slow
@pytest.mark.postgres
def test_the_same_street_comes_to_the_same_end_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with open_shop(tmp_path, database_url=postgres_url) as shop:
        street, plain, taxed = _street(shop)
        shop.maintain()
        assert _states(shop, street) == EXPECTED
        assert (shop.received(), shop.received(plain)) == (SOL + 2 * SOL // 10, 10_000_000)
        # One percent is gone when the customer pays (0.06) and again when the pipeline moves the rest (0.0594).
        assert shop.received(taxed) == 5_880_600
        shop.run("sweep", sweep_held_funds=True)
        assert shop.state(street["late"]) == shop.state(street["short"]) == "sent_funds"
        events = [event.kind for event in shop.events()]
        shop.maintain()
        assert [event.kind for event in shop.events()] == events


def test_only_the_payments_that_are_named_are_touched(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        street, _, _ = _street(shop)
        named = frozenset({street["sol"].payment_id})
        for operation in OPERATIONS:
            shop.run(operation, payment_ids=named)
        others = {name: state for name, state in _states(shop, street).items() if name != "sol"}
        assert set(others.values()) == {("initiated", "created")}
        assert shop.status(street["sol"]) == "confirmed"


@pytest.mark.parametrize("operation", ["sweep", "reclaim", "expire"])
def test_two_runs_at_once_do_everything_once(tmp_path: Path, operation: str) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.accept_mint()
        how = {
            "sweep": {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT},
            "reclaim": {"status": PaymentStatus.EXPIRED, "state": WalletState.PAYMENT_EXPIRED},
            "expire": {},
        }[operation]
        customers = [shop.new_payment(**how) for _ in range(8)]
        if operation == "sweep":
            for customer in customers:
                shop.pay_sol(customer)
        shop.wait(hours=1)
        _at_once([lambda: shop.run(operation), lambda: shop.run(operation)])
        shop.run(operation)
        final = "sent_funds" if operation == "sweep" else "payment_expired_and_wallet_closed"
        assert {shop.state(customer) for customer in customers} == {final}
        kind = "wallet.swept" if operation == "sweep" else "wallet.closed"
        assert [event.kind for event in shop.events()].count(kind) == 8
        if operation == "sweep":
            assert shop.received() == SOL + 8 * SOL // 10


def _at_once(calls: list[Callable[[], object]]) -> None:
    failures: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  (it is raised again in the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_fork_that_takes_a_sweep_back_ends_with_the_money_at_home(tmp_path: Path) -> None:
    with open_shop(tmp_path, config=ChainConfig(slot_seconds=0.02, finalized_lag=200)) as shop:
        shop.accept_sol()
        paid = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        shop.pay_sol(paid)
        shop.settle_chain()
        slot = shop.chain.tick()
        shop.settle_chain()
        shop.run("sweep")
        assert shop.received() == SOL + SOL // 10

        shop.chain.fork(slot, keep_blockhashes=True)
        assert shop.received() == SOL
        shop.settle_chain()
        shop.maintain()
        assert shop.received() == SOL + SOL // 10
        assert shop.state(paid) == "sent_funds"


@pytest.mark.slow
def test_acceptance_at_finalized_waits_for_finality_and_loses_nothing(tmp_path: Path) -> None:
    config = ChainConfig(slot_seconds=0.02, finalized_lag=60)
    with open_shop(tmp_path, config=config, acceptance=Commitment.FINALIZED) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        in_time, unpaid = shop.new_payment(), shop.new_payment()
        shop.wait(minutes=29, seconds=58)
        shop.pay_token(in_time, mint)
        shop.wait(seconds=4)
        shop.maintain()
        assert shop.status(in_time) == "finalized"
        assert shop.state(in_time) == "sent_funds"
        assert shop.state(unpaid) == "payment_expired_and_wallet_closed"
        shop.maintain()
        assert shop.kinds(in_time) == ["payment.accepted", "wallet.swept"]


def test_a_payment_whose_last_second_has_not_passed_stays(tmp_path: Path) -> None:
    """Several blocks share a second: one that is still to come may carry the time of expiry itself."""
    with open_shop(tmp_path, config=ChainConfig(slot_seconds=0.02, clock="manual")) as shop:
        shop.accept_sol()
        payment = shop.new_payment()
        # The newest block that a run reads is the confirmed one.
        shop.settle_chain()
        confirmed = shop.chain.block_time(shop.chain.slot_at("confirmed"))
        table = shop.deployment.tables.payment
        with shop.deployment.engine.begin() as connection:
            connection.execute(
                sa.update(table).values(expiration_date=datetime.fromtimestamp(confirmed, UTC))
            )
        shop.run("expire")
        assert shop.status(payment) == "initiated"


def test_lamports_too_few_to_open_the_receivers_account_wait_for_enough(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.deployment = _with_receiver(shop, Keypair().pubkey())
        few, enough = (
            shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
            for _ in range(2)
        )
        shop.seed.airdrop(few.address, 700_000)
        shop.chain.set_rent(6_960)
        shop.pay_sol(enough)
        shop.settle_chain()
        shop.run("sweep")
        assert (shop.state(few), shop.state(enough)) == ("failed_to_send_funds", "sent_funds")
        assert shop.codes(few) == {"lamports_stuck"}
        shop.run("sweep")
        assert shop.state(few) == "sent_funds"
        assert shop.received() == 100_700_000


def test_a_receiver_that_is_the_fee_payer_gets_everything(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        payer = shop.deployment.fee_payer.pubkey
        shop.deployment = _with_receiver(shop, payer)
        paid = shop.new_payment()
        shop.pay_token(paid, mint)
        shop.pay_sol(paid)
        shop.settle_chain()
        shop.run("recheck")
        assert shop.state(paid) == "sent_funds"
        assert shop.tokens_of(payer, mint) == 5_000_000
        assert shop.seed.lamports(paid.address) == 0


def _with_receiver(shop: Shop, receiver: Pubkey) -> Deployment:

    return replace(shop.deployment, receiver=receiver)
