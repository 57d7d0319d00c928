"""Nodes that lie, lag, forget, refuse and break off: nothing is believed that they cannot know, and work goes on after."""

from contextlib import ExitStack
from typing import Any

import pytest

from solpay_pipeline.chain.rpc.client import RpcOptions
from solpay_pipeline.chain.rpc.errors import ChainError
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.localnet.chain.config import ChainConfig
from solpay_pipeline.localnet.rpc.view import View
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import Node, running
from solpay_pipeline_tests.failures.audit import assert_all_is_well
from solpay_pipeline_tests.failures.ground import (
    PRICE,
    Database,
    ask_by,
    landed_for,
    ledger_states,
)
from solpay_pipeline_tests.money.books import snapshot
from solpay_pipeline_tests.shop import SOL, Shop, weather

pytestmark = pytest.mark.slow

SKIPPED = 2_000
"""Slots without a block on this chain: so much higher is a slot than a height."""

SCHEDULES = (
    (("liar",), 0, 0),
    (("liar", "lagging"), 60, 0),
    (("lagging",), 100, 100),
    (("forgetful",), 0, 400),
    (("forgetful", "liar"), 60, 400),
    (("silent", "lagging"), 100, 400),
)
"""Who is asked, how many slots pass before a transaction lands, and how many after it. The rule alone is tried by ten
thousand schedules in rooms/chain/test_expiry.py.
"""


class _SlotsForHeights:
    """A chain as a provider tells of it that answers with the slot where a height is asked for."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def block_height(self, slot: int) -> int:
        return slot


def _lie(node: Node, *, everywhere: bool) -> None:
    if not everywhere:
        # Of blockhashes it tells the truth, so that its numbers do not fit each other.
        node.view.latest_blockhash = View(node.chain).latest_blockhash  # type: ignore[method-assign]
    node.view.chain = _SlotsForHeights(node.chain)  # type: ignore[assignment]


@pytest.mark.parametrize("everywhere", [False, True], ids=["heights alone", "blockhashes too"])
def test_f04_a_slot_told_as_height_a_lagging_node_and_one_without_history_bury_nothing_alive(
    database: Database, everywhere: bool
) -> None:
    config = ChainConfig(slot_seconds=0.1, finalized_lag=8, first_slot=SKIPPED + 1_000, skipped_slots=SKIPPED)
    with database.shop(config=config) as shop, ExitStack() as opened:
        shop.accept_sol()
        nodes = {
            "liar": opened.enter_context(running(shop.chain)),
            "lagging": opened.enter_context(running(shop.chain, lag=30)),
            "forgetful": opened.enter_context(running(shop.chain, history_slots=40)),
            "silent": opened.enter_context(running(shop.chain, history_slots=0)),
        }
        _lie(nodes["liar"], everywhere=everywhere)
        for node in nodes.values():
            node.faults.add(Fault("swallow"))
        customers = []
        for company, before, after in SCHEDULES:
            [customer] = shop.accepted_and_paid(None)
            customers.append(customer)
            with weather(shop, Fault("swallow")):
                ask_by(shop, [shop.node.url])
                assert shop.run("sweep", patience_seconds=0.1).in_flight == 1
            recorded = shop.transactions()[-1]
            # On its way still, and every one of these nodes has its own idea of the time.
            ask_by(shop, [nodes[name].url for name in company], retry_window_seconds=0.4)
            shop.chain.advance(before)
            _run_or_refuse(shop)
            assert shop.transactions()[-1].state == TransactionState.RECORDED, company
            assert shop.chain.submit(recorded.wire).err is None
            shop.chain.advance(after)
            _run_or_refuse(shop)
            assert TransactionState.DEAD not in ledger_states(shop), company

            ask_by(shop, [shop.node.url])
            shop.settle_chain()
            shop.run("sweep")
            assert shop.state(customer) == "sent_funds"
            assert len(landed_for(shop, customer)) == 1
        assert len(shop.transactions()) == len(customers)
        assert_all_is_well(shop, customers)


def _run_or_refuse(shop: Shop) -> None:
    """A run with nodes of which none may be fit to be asked."""
    try:
        shop.run("sweep", patience_seconds=0.5)
    except ChainError:
        return


STORM = {
    "429": Fault("rate_limit"),
    "429 with Retry-After": Fault("rate_limit", retry_after=0.1),
    "429 with a long Retry-After": Fault("rate_limit", retry_after=3_600),
    "-32005": Fault("node_behind"),
    "-32005 with slots": Fault("node_behind", slots=42),
    "-32005 for a rate": Fault("rpc_error", code=-32005, message="rate limit exceeded"),
    "-32429 in a good answer": Fault("rate_limit_body"),
    "429 in a good answer": Fault("rate_limit_body", code=429),
    "a web page": Fault("server_error", status=502),
    "half an answer": Fault("truncate"),
    "drips": Fault("slow_body", seconds=5),
    "another request's answer": Fault("wrong_id"),
    "broken off": Fault("drop_before"),
    "broken off after the work": Fault("drop_after"),
}

CALL_BUDGET = 25
"""Requests that a run may make against a node that answers none of them, within its window of 0.3 s."""


def test_f08_a_storm_of_refusals_changes_nothing_stays_in_its_budget_and_passes(database: Database) -> None:
    options = RpcOptions(timeout=0.2, retry_window_seconds=0.3)
    with database.shop(rpc_options=options) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        customers = shop.accepted_and_paid(None, mint)
        unpaid = shop.new_payment()
        shop.wait(hours=1)
        before = snapshot(shop)
        for number, (name, fault) in enumerate(STORM.items()):
            with weather(shop, fault):
                asked = shop.node.calls.total()
                with pytest.raises(ChainError):
                    shop.run(("expire", "sweep")[number % 2])
                assert shop.node.calls.total() - asked <= CALL_BUDGET, name
                assert shop.node.faults.struck, name
            assert snapshot(shop) == before, name

        ask_by(shop, [shop.node.url], timeout=0.2, retry_window_seconds=3)
        mixed = [
            Fault(fault.kind, probability=0.03, retry_after=0.05, seconds=0.05, code=fault.code)
            for fault in STORM.values()
        ]
        with weather(shop, *mixed):
            for _ in range(10):
                try:
                    shop.maintain()
                except ChainError:
                    continue
                break
        shop.maintain()
        assert [shop.state(one) for one in customers] == ["sent_funds"] * 2
        assert shop.state(unpaid) == "payment_expired_and_wallet_closed"
        assert [len(landed_for(shop, one)) for one in customers] == [1, 1]
        assert (shop.received(), shop.received(mint)) == (SOL + SOL // 10, PRICE)
        assert_all_is_well(shop, [*customers, unpaid])


class _OnTheSecondPage(frozenset[str]):
    """Methods of a fault that strikes when a second page of the whole history is asked for, and then no more.

    Before the whole history its newest few transactions are asked for, and whether there are many.
    """

    def __new__(cls) -> "_OnTheSecondPage":
        made = super().__new__(cls, {"getSignaturesForAddress"})
        made.pages = 0
        return made

    pages: int

    def isdisjoint(self, called: Any) -> bool:
        if super().isdisjoint(called):
            return True
        self.pages += 1
        return self.pages != 4


def test_f10_a_payment_under_a_thousand_dust_transfers_is_found_though_the_cursor_was_pruned(
    database: Database,
) -> None:
    with database.shop() as shop:
        shop.accept_sol()
        customer = shop.new_payment()
        paid_by = shop.pay_sol(customer)
        for _ in range(1_050):
            shop.seed.pay_sol(customer.address, 1)
        shop.settle_chain()
        second_page = _OnTheSecondPage()
        pruned = Fault("rpc_error", methods=second_page, code=-32020, message="unknown before signature")
        with weather(shop, pruned):
            outcome = shop.run("recheck")
        assert second_page.pages >= 5, "the page was asked for again"
        assert outcome.accepted == 1
        assert shop.payment_row(customer).signature == paid_by
        calls = dict(outcome.rpc_calls)
        assert calls["getSignaturesForAddress"] <= 8
        assert calls["getTransaction"] <= 20
        assert shop.received() == SOL + SOL // 10 + 1_050
        assert "overpaid" in shop.codes(customer)
        assert_all_is_well(shop, [customer])
