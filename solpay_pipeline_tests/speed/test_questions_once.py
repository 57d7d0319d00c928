"""What one operation needs to know more than once is asked once."""

import asyncio

from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.operations.context import chain_facts
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.options import Options
from solpay_pipeline.operations.preflight import open_context
from solpay_pipeline.operations.run import silent
from solpay_pipeline_tests.shop import Shop, open_shop


def blockhashes_asked(shop: Shop, *, then: int) -> int:
    """How often one was asked for by a run that asks what a signature costs, and is given `then` to sign with."""

    async def ask(context: OperationContext) -> None:
        await context.facts.signature_fee()
        await context.facts.signature_fee()
        for _ in range(then):
            assert (await context.facts.blockhash()).last_valid_block_height > 0

    async def run() -> None:
        async with open_context(shop.deployment, Options(), RunRef("run", "sweep"), silent) as context:
            await ask(context)

    shop.node.calls.clear()
    asyncio.run(run())
    return shop.node.calls["getLatestBlockhash"]


def test_the_blockhash_that_the_fee_was_asked_with_is_signed_with_once(tmp_path):
    with open_shop(tmp_path) as shop:
        assert blockhashes_asked(shop, then=1) == 1
        assert blockhashes_asked(shop, then=3) == 3, "each batch of transactions gets one of its own"


def test_a_blockhash_that_has_waited_too_long_is_not_signed_with(tmp_path, monkeypatch):
    monkeypatch.setattr(chain_facts, "_FRESH_SECONDS", 0.4)
    with open_shop(tmp_path) as shop:
        shop.node.faults.add(Fault("latency", seconds=0.5, methods=frozenset({"getFeeForMessage"})))
        assert blockhashes_asked(shop, then=1) == 2, "it is as old as the question for it"


def test_a_run_that_pays_nothing_goes_on_where_nobody_tells_what_a_signature_costs(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        customer = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED)
        shop.settle_chain()
        asked = frozenset({"getFeeForMessage"})
        shop.node.faults.add(Fault("rpc_error", code=-32601, message="Method not found", methods=asked))
        assert not shop.run("reclaim").set_aside
        assert shop.state(customer) == "payment_expired_and_wallet_closed"


def test_a_sweep_reads_the_shops_mints_along_with_everything_else(tmp_path):
    with open_shop(tmp_path) as shop:
        mint = shop.accept_mint()
        customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        shop.pay_token(customer, mint)
        shop.settle_chain()
        shop.node.calls.clear()
        assert shop.run("sweep").swept == 1
        # At the start, the wallet, the receiver's account, the wallet again.
        assert shop.node.calls["getMultipleAccounts"] == 4
