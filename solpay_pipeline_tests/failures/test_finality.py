"""What paid is followed until it is final; what a fork takes back is told once, and nothing is swept on for it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from solpay_pipeline.ledger.tables import followed as followed_table
from solpay_pipeline.lifecycle.terms import Commitment, PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.ground import PRICE, Database
from solpay_pipeline_tests.money import by_peer
from solpay_pipeline_tests.shop import SOL, Customer, Shop

SLOW_TO_SETTLE = ChainConfig(slot_seconds=0.4, finalized_lag=200)
"""A blockhash lives, and finality waits, for longer than any run here takes; tests move the chain on."""


def paid_and_forked(shop: Shop, *, by_peer: bool = False, is_swept: bool = False) -> tuple[Customer, bytes]:
    """A customer whose payment was accepted and then taken back by a fork; the bytes of his transfer."""
    customer = shop.new_payment(lasts=timedelta(hours=5))
    shop.settle_chain()
    before = shop.chain.tick()
    shop.settle_chain()
    signature = shop.pay_sol(customer)
    shop.settle_chain()
    if by_peer:
        assert shop.accept_payment(customer)
        shop.run("reclaim")
    if is_swept or not by_peer:
        shop.run("sweep" if by_peer else "recheck", forward_funds=is_swept)
    assert shop.every_kind(customer)[0] == "payment.accepted"
    record = shop.chain.history.get(signature)
    assert record is not None
    assert signature in shop.chain.fork(before, True)
    return customer, record.decoded.wire


def test_an_acceptance_is_told_final_once_and_costs_one_call_for_all(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        shop.run("recheck")
        customers = [shop.new_payment() for _ in range(3)]
        for customer in customers[:2]:
            shop.pay_sol(customer)
        theirs = customers[2]
        shop.pay_sol(theirs)
        shop.settle_chain()
        shop.accept_payment(theirs)
        assert shop.run("recheck").accepted == 2
        shop.run("sweep")
        assert {kind for one in customers for kind in shop.every_kind(one)} == {
            "payment.accepted",
            "wallet.swept",
        }

        shop.finalize_chain()
        before = shop.node.calls["getSignatureStatuses"]
        shop.run("reclaim")
        assert shop.node.calls["getSignatureStatuses"] == before + 2, "one for ours, one for the customers'"
        for customer in customers:
            last = shop.events(customer)[-1]
            assert last.kind == "payment.finalized"
            assert last.body["signature"] == customer.signatures[0]
        assert [shop.events(one)[-1].body["source"] for one in customers] == ["pipeline", "pipeline", "peer"]

        before = shop.node.calls["getSignatureStatuses"]
        shop.run("reclaim")
        assert shop.node.calls["getSignatureStatuses"] == before, "nothing is left to follow"
        assert [shop.every_kind(one).count("payment.finalized") for one in customers] == [1, 1, 1]
        assert_all_is_well(shop, customers)


def test_operations_of_one_run_follow_up_once(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer = shop.new_payment()
        shop.pay_sol(customer)
        shop.settle_chain()
        shop.run("recheck", forward_funds=False)
        for operation in ("expire", "reclaim"):
            shop.run(operation, run_id="one run")
        assert shop.node.calls["getSignatureStatuses"] == 1


def test_what_is_accepted_at_finalized_is_told_final_at_once(database: Database) -> None:
    config = ChainConfig(slot_seconds=0.02, finalized_lag=8)
    with database.shop(config=config, acceptance=Commitment.FINALIZED) as shop:
        shop.accept_sol()
        customer = shop.new_payment()
        shop.pay_sol(customer)
        shop.finalize_chain()
        shop.run("recheck", forward_funds=False)
        assert shop.every_kind(customer) == ["payment.accepted", "payment.finalized"]
        shop.run("recheck", forward_funds=False)
        assert shop.node.calls["getSignatureStatuses"] == 0


@pytest.mark.parametrize("by_peer", [False, True], ids=["accepted by us", "accepted by the peer"])
@pytest.mark.parametrize("is_swept", [False, True], ids=["not swept", "swept"])
def test_a_transfer_that_a_fork_took_back_is_told_once_and_its_wallet_is_not_called_swept(
    database: Database, by_peer: bool, is_swept: bool
) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        shop.run("recheck")
        customer, _ = paid_and_forked(shop, by_peer=by_peer, is_swept=is_swept)

        # Nobody can tell yet: it may land again.
        shop.settle_chain()
        shop.run("sweep", patience_seconds=1)
        assert "payment.reverted" not in shop.every_kind(customer)
        assert "funds_elsewhere" not in shop.codes(customer)

        shop.finalize_chain()
        outcome = shop.run("sweep", patience_seconds=1)
        assert [one.code for one in outcome.set_aside] == ["reverted"]
        [finding] = [one.finding for one in shop.findings(customer) if one.finding.code == "reverted"]
        assert (finding.amount, customer.signatures[0] in finding.explanation) == (SOL // 10, True)
        told = shop.events(customer)[-1]
        assert told.kind == "payment.reverted"
        assert told.body["signature"] == customer.signatures[0]
        assert (told.body["mint"], told.body["missing"]) == ("SOL", str(SOL // 10))
        assert shop.status(customer) == "confirmed", "an order may have been shipped: people decide"
        assert shop.state(customer) != "sent_funds"

        for operation in ("expire", "sweep", "reclaim", "recheck"):
            shop.run(operation, patience_seconds=1)
        assert shop.every_kind(customer).count("payment.reverted") == 1
        assert "funds_elsewhere" not in shop.codes(customer)
        assert shop.state(customer) != "sent_funds"
        assert shop.received() == SOL


@pytest.mark.parametrize("is_told", [False, True], ids=["before anybody looks", "after it was told"])
@pytest.mark.parametrize("is_swept", [False, True], ids=["not swept", "swept"])
def test_a_transfer_that_lands_again_is_followed_on_as_the_same_acceptance(
    database: Database, is_told: bool, is_swept: bool
) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer, wire = paid_and_forked(shop, is_swept=is_swept)
        if is_told:
            # Its blockhash lives for 150 blocks, so that finality has to come sooner than that.
            shop.chain.config = replace(shop.chain.config, finalized_lag=20)
            shop.finalize_chain()
            shop.run("reclaim", patience_seconds=1)
            assert shop.codes(customer) >= {"reverted"}
        shop.chain.submit(wire)
        shop.settle_chain()
        shop.run("sweep")
        assert "reverted" not in shop.codes(customer)
        shop.finalize_chain()
        shop.run("sweep")
        shop.run("sweep")
        assert shop.every_kind(customer).count("payment.accepted") == 1
        assert shop.every_kind(customer).count("payment.reverted") == int(is_told)
        assert shop.every_kind(customer).count("payment.finalized") == 1
        assert shop.state(customer) == "sent_funds"
        assert shop.received() == SOL + SOL // 10
        assert_all_is_well(shop, [customer])


def test_a_customer_who_pays_again_in_time_is_credited_for_that(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer, _ = paid_and_forked(shop)
        shop.finalize_chain()
        shop.run("sweep")
        assert shop.codes(customer) == {"reverted"}
        again = shop.pay_sol(customer)
        shop.settle_chain()
        shop.run("sweep")
        assert (shop.codes(customer), shop.state(customer)) == (set(), "sent_funds")
        shop.finalize_chain()
        shop.run("sweep")
        told = shop.events(customer)[-1]
        assert (told.kind, told.body["signature"]) == ("payment.finalized", again)


def test_money_beside_what_was_taken_back_is_not_swept_as_paid(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer, _ = paid_and_forked(shop)
        shop.seed.airdrop(customer.address, SOL // 50)
        shop.finalize_chain()
        shop.run("sweep")
        shop.run("sweep")
        [finding] = [one.finding for one in shop.findings(customer)]
        assert (finding.code, finding.amount) == ("reverted", SOL // 10 - SOL // 50)
        assert shop.received() == SOL


def test_half_of_a_payment_that_is_taken_back_is_missing(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customer = shop.new_payment(lasts=timedelta(hours=5))
        shop.pay_token(customer, mint, "2")
        shop.settle_chain()
        before = shop.chain.tick()
        shop.settle_chain()
        shop.pay_token(customer, mint, "3")
        shop.settle_chain()
        shop.run("recheck", forward_funds=False)
        shop.chain.fork(before, True)
        shop.finalize_chain()
        shop.run("sweep")
        told = shop.events(customer)[-1].body
        assert (told["missing"], told["received"]) == (str(3 * PRICE // 5), {str(mint): str(2 * PRICE // 5)})
        assert shop.tokens_of(customer.address, mint) == 2 * PRICE // 5


def test_a_shop_that_writes_the_status_back_ends_the_matter_and_begins_anew(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer, _ = paid_and_forked(shop)
        shop.finalize_chain()
        shop.run("sweep")
        shop.change_payment(customer, status=PaymentStatus.INITIATED.value, signature=None)
        shop.set_state(customer, WalletState.CREATED)
        assert shop.run("recheck").is_clean
        assert shop.codes(customer) == set()
        shop.pay_sol(customer)
        shop.settle_chain()
        shop.run("recheck")
        assert shop.every_kind(customer).count("payment.accepted") == 2
        shop.finalize_chain()
        shop.run("sweep")
        assert shop.every_kind(customer)[-1] == "payment.finalized"


@pytest.mark.parametrize("is_gone", [False, True], ids=["final", "taken back"])
def test_of_runs_at_once_one_tells_it(database: Database, is_gone: bool) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        if is_gone:
            customer, _ = paid_and_forked(shop)
        else:
            customer = shop.new_payment()
            shop.pay_sol(customer)
            shop.settle_chain()
            shop.run("recheck", forward_funds=False)
        shop.finalize_chain()
        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(shop.run, operation) for operation in ("expire", "reclaim") * 2]
            for one in running:
                one.result()
        told = "payment.reverted" if is_gone else "payment.finalized"
        assert shop.every_kind(customer) == ["payment.accepted", told]


def test_a_payment_that_is_deleted_is_followed_no_longer(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer, _ = paid_and_forked(shop)
        delete(shop, customer)
        shop.finalize_chain()
        shop.run("sweep")
        before = shop.node.calls["getSignatureStatuses"]
        shop.run("sweep")
        assert shop.node.calls["getSignatureStatuses"] == before
        assert rows(shop) == []


def test_an_id_that_comes_back_for_another_payment_is_not_told_of_this_one(database: Database) -> None:
    with database.shop(config=SLOW_TO_SETTLE) as shop:
        shop.accept_sol()
        customer, _ = paid_and_forked(shop)
        delete(shop, customer)
        other = shop.new_payment(lasts=timedelta(hours=5), status=PaymentStatus.CONFIRMED)
        with shop.engine.begin() as connection:
            connection.execute(sa.update(followed_table).values(payment_id=other.payment_id))
        shop.finalize_chain()
        shop.run("sweep")
        assert rows(shop) == []
        assert not {"payment.reverted", "payment.finalized"} & {event.kind for event in shop.events()}
        assert "reverted" not in shop.codes(other)


def test_a_node_that_has_forgotten_proves_nothing(database: Database) -> None:
    """The transfer is final, the peer has sent the money on, and the only node remembers neither."""
    config = ChainConfig(slot_seconds=0.4, finalized_lag=100, history_slots=150)
    with database.shop(config=config) as shop:
        shop.accept_sol()
        customer = shop.new_payment()
        shop.pay_sol(customer)
        shop.settle_chain()
        shop.run("recheck", forward_funds=False)
        by_peer.sends_all_sol(shop, customer)
        shop.set_state(customer, WalletState.SENT_FUNDS)
        shop.chain.advance(400)
        outcome = shop.run("sweep")
        assert "payment.reverted" not in shop.every_kind(customer)
        assert [one.code for one in outcome.set_aside] == ["finality_unknown"]
        [finding] = [one.finding for one in shop.findings(customer)]
        assert customer.signatures[0] in finding.explanation
        assert "SOLPAY_RPC_URLS" in finding.explanation


def test_a_status_that_is_forgotten_is_no_loss_where_the_money_is_there(database: Database) -> None:
    config = ChainConfig(slot_seconds=0.4, finalized_lag=100, history_slots=150)
    with database.shop(config=config) as shop:
        shop.accept_sol()
        swept, kept = shop.new_payment(), shop.new_payment()
        for customer, forward in ((swept, True), (kept, False)):
            shop.pay_sol(customer)
            shop.settle_chain()
            shop.run("recheck", forward_funds=forward)
        # Our own sweep is seen final before its status is forgotten.
        shop.chain.advance(110)
        shop.change_wallet(kept, state=WalletState.SENT_FUNDS.value)
        with shop.engine.begin() as connection:
            connection.execute(sa.update(followed_table).values(asked_in="a run"))
        shop.run("reclaim", run_id="a run")
        shop.chain.advance(400)
        shop.run("reclaim")
        assert [shop.every_kind(one)[-1] for one in (swept, kept)] == ["payment.finalized"] * 2
        assert not shop.codes(swept) | shop.codes(kept)


def rows(shop: Shop) -> list[str]:
    with shop.engine.begin() as connection:
        return list(connection.scalars(sa.select(followed_table.c.state)))


def delete(shop: Shop, customer: Customer) -> None:
    tables = shop.tables
    with shop.engine.begin() as connection:
        link = tables.payment_price
        connection.execute(sa.delete(link).where(link.c[tables.payment_column] == customer.payment_id))
        connection.execute(sa.delete(tables.payment).where(tables.payment.c.id == customer.payment_id))
