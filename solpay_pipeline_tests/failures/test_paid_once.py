"""Whatever dies, is lost, is late or is taken back: each wallet's money lands at home in exactly one transaction."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from solpay_pipeline.chain.rpc.client import RpcOptions
from solpay_pipeline.chain.sending.broadcast import POLL_SECONDS
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.command_line.warm import Death, Warm
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.ground import (
    PRICE,
    Database,
    landed_for,
    ledger_states,
)
from solpay_pipeline_tests.shop import SOL, Shop, weather

pytestmark = pytest.mark.slow

HOME = "solpay_pipeline.operations"
RPC = "solpay_pipeline.chain.rpc.client:Rpc"

MOMENTS = {
    "planned": Death(f"{HOME}.moving.execution:submit", "before"),
    "signed": Death(f"{HOME}.moving.submission:sign_for", "after"),
    "persisted": Death(f"{HOME}.changes.written_journal:WrittenJournal.record", "after"),
    "sent": Death(f"{RPC}.statuses", "before"),
    "response received": Death(f"{RPC}.send", "after"),
    "confirmed": Death(f"{HOME}.changes.written_journal:WrittenJournal.close", "before"),
    "finalized recorded": Death(f"{HOME}.changes.written_journal:WrittenJournal.close", "after"),
    "webhook queued": Death(f"{HOME}.changes.written_books:summarize", "before"),
}

PATIENCE = 2 * POLL_SECONDS
"""Seconds that a run waits for a transaction here: a poll or two."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_f01_a_run_killed_at_any_step_is_finished_by_the_next_and_pays_once(
    database: Database, warm: Warm, moment: str
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        customers = shop.accepted_and_paid(None, None)
        if moment == "finalized recorded":
            assert shop.run("sweep").swept == 2
            shop.finalize_chain()
        # The node's answer to the send is lost where the process dies before it has one.
        faults = [Fault("drop_after", methods={"sendTransaction"}, times=1)] if moment == "sent" else []
        with weather(shop, *faults):
            ended = warm.run(shop.environment(), "sweep", death=MOMENTS[moment])
        assert ended.was_killed
        assert all(shop.state(one) != "sent_funds" for one in customers) or moment in (
            "finalized recorded",
            "webhook queued",
        )
        recorded = len(shop.transactions())
        assert recorded == (0 if moment in ("planned", "signed") else 1)

        assert shop.run("sweep").is_clean

        assert len(shop.transactions()) == 1, "what was recorded is what has to land"
        for customer in customers:
            assert len(landed_for(shop, customer)) == 1
            assert shop.state(customer) == "sent_funds"
            assert shop.kinds(customer) == ["wallet.swept"]
        assert shop.received() == SOL + 2 * SOL // 10
        assert_all_is_well(shop, customers)


@pytest.mark.parametrize("loss", ["drop_after", "truncate", "slow_body"])
def test_f02_a_send_whose_answer_is_lost_is_found_and_never_signed_again(
    database: Database, loss: str
) -> None:
    with database.shop(rpc_options=RpcOptions(timeout=0.5, retry_window_seconds=3)) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customers = shop.accepted_and_paid(None, mint)
        fault = Fault(loss, methods={"sendTransaction"}, seconds=5)  # type: ignore[arg-type]
        with weather(shop, fault):
            outcome = shop.run("sweep")
        assert outcome.swept == 2
        assert shop.node.faults.struck[loss] >= 2
        # The receiver's account, and both wallets in one.
        assert len(shop.transactions()) == 2
        assert [len(landed_for(shop, one)) for one in customers] == [1, 1]
        assert (shop.received(), shop.received(mint)) == (SOL + SOL // 10, PRICE)
        assert_all_is_well(shop, customers)


def _past_its_blockhash(shop: Shop, blocks: int) -> None:
    """The newest block is so many beyond the last one that may take what was recorded last."""
    last_valid = shop.transactions()[-1].last_valid_block_height
    with shop.chain.lock:
        shop.chain.advance(last_valid + blocks - shop.chain.block_height(shop.chain.tick()))


def test_f03_what_was_taken_and_never_lands_is_signed_again_only_when_it_is_provably_dead(
    database: Database,
) -> None:
    # Finality is far: between the end of a blockhash and the proof of it lies a time in which nobody may sign.
    config = ChainConfig(slot_seconds=0.05, finalized_lag=250)
    with database.shop(config=config) as shop:
        shop.accept_sol()
        [customer] = shop.accepted_and_paid(None)
        with weather(shop, Fault("swallow")):
            assert shop.run("sweep", patience_seconds=PATIENCE).in_flight == 1
            first = shop.transactions()[0]

            # It may still land: the same bytes go out again.
            sends = shop.node.calls["sendTransaction"]
            assert shop.run("sweep", patience_seconds=PATIENCE).in_flight == 1
            assert shop.node.calls["sendTransaction"] > sends

            # No block can take it any more, but none of those that show so is final.
            _past_its_blockhash(shop, 10)
            sends = shop.node.calls["sendTransaction"]
            assert shop.run("sweep", patience_seconds=PATIENCE).in_flight == 1
            assert shop.node.calls["sendTransaction"] == sends
            assert [row.signature for row in shop.transactions()] == [first.signature]

        _past_its_blockhash(shop, 300)
        assert shop.run("sweep").swept == 1

        assert ledger_states(shop) == ["dead", "confirmed"]
        assert len(landed_for(shop, customer)) == 1
        assert shop.received() == SOL + SOL // 10
        assert_all_is_well(shop, [customer])


@pytest.mark.parametrize("late", ["in its last block", "and told later still"])
def test_f05_what_lands_at_the_last_moment_is_found_and_nothing_is_sent_beside_it(
    database: Database, late: str
) -> None:
    config = ChainConfig(slot_seconds=0.02, finalized_lag=60)
    with database.shop(config=config) as shop:
        shop.accept_sol()
        [customer] = shop.accepted_and_paid(None)
        with weather(shop, Fault("swallow")):
            assert shop.run("sweep", patience_seconds=PATIENCE).in_flight == 1
        recorded = shop.transactions()[0]
        with shop.chain.lock:
            left = recorded.last_valid_block_height - shop.chain.block_height(shop.chain.tick())
            shop.chain.submit_late(recorded.wire, left)
            shop.chain.advance(left + 1)
            [landed] = landed_for(shop, customer)
            assert shop.chain.block_height(landed.slot) == recorded.last_valid_block_height
            if late == "and told later still":
                # The node's index lags: null for two seconds, by which the blockhash is over and final is near.
                shop.node.view.hide(recorded.signature, 50)

        if late == "and told later still":
            assert shop.run("sweep", patience_seconds=0.1).in_flight == 1
            shop.chain.advance(60)
        outcome = shop.run("sweep")

        assert (outcome.swept, len(shop.transactions())) == (1, 1)
        assert [record.signature for record in landed_for(shop, customer)] == [recorded.signature]
        assert shop.received() == SOL + SOL // 10
        assert_all_is_well(shop, [customer])


@pytest.mark.parametrize("keep_blockhashes", [True, False], ids=["may land again", "can never land again"])
def test_f07_a_sweep_that_a_fork_takes_back_is_done_again_and_nothing_was_called_final(
    database: Database, keep_blockhashes: bool
) -> None:
    with database.shop(config=ChainConfig(slot_seconds=0.02, finalized_lag=200)) as shop:
        shop.accept_sol()
        [customer] = shop.accepted_and_paid(None)
        before = shop.chain.tick()
        shop.settle_chain()
        assert shop.run("sweep").swept == 1
        assert ledger_states(shop) == ["confirmed"], "only finalized ends a row"

        shop.chain.fork(before, keep_blockhashes)
        assert shop.received() == SOL
        shop.settle_chain()
        if not keep_blockhashes:
            # Its blockhash is on no chain any more; what proves it is the height alone.
            shop.chain.advance(600)
        shop.run("sweep")
        shop.run("sweep")

        assert shop.received() == SOL + SOL // 10
        assert len(landed_for(shop, customer)) == 1
        states = ["confirmed"] if keep_blockhashes else [TransactionState.DEAD, "confirmed"]
        assert ledger_states(shop) == states
        if not keep_blockhashes:
            assert "fork" in shop.codes(customer)
        assert_all_is_well(shop, [customer])


def test_f07_a_payment_that_a_fork_takes_back_was_never_accepted_where_finality_is_asked_for(
    database: Database,
) -> None:
    config = ChainConfig(slot_seconds=0.02, finalized_lag=60)
    with database.shop(config=config, acceptance=Commitment.FINALIZED) as shop:
        shop.accept_sol()
        customer = shop.new_payment(lasts=timedelta(hours=5))
        shop.finalize_chain()
        before = shop.chain.tick()
        shop.settle_chain()
        shop.pay_sol(customer)
        shop.settle_chain()
        # The payment is confirmed; while the run waits for its finality, the fork comes.
        with ThreadPoolExecutor(1) as beside:
            waiting = beside.submit(shop.run, "recheck")
            while not shop.node.calls["getMultipleAccounts"] >= 2:
                time.sleep(0.01)
            shop.chain.fork(before, True)
            outcome = waiting.result()
        assert (outcome.accepted, shop.events()) == (0, [])
        assert (shop.status(customer), shop.state(customer)) == ("initiated", "created")

        shop.pay_sol(customer)
        shop.finalize_chain()
        assert shop.run("recheck").accepted == 1
        assert (shop.status(customer), shop.state(customer)) == ("finalized", "sent_funds")
        assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]
        assert shop.received() == SOL + SOL // 10
        assert_all_is_well(shop, [customer])
