"""Things that happen twice: the same bytes, the same event, the same money asked for."""

from pathlib import Path

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.engine import ChainConfig
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline_tests.money.attacks.moves import take_sol
from solpay_pipeline_tests.shop import open_shop


def test_a_transaction_refused_within_one_blockhash_is_signed_anew_with_the_next(tmp_path: Path) -> None:
    """The same plan under the same blockhash has the same signature, which the ledger holds already."""
    with open_shop(tmp_path, config=ChainConfig(slot_seconds=0.6)) as shop:
        shop.accept_sol()
        paid = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        shop.pay_sol(paid)
        shop.settle_chain()
        shop.node.faults.add(
            Fault("rpc_error", methods={"sendTransaction"}, code=-32003, message="signature", times=1)
        )

        outcome = shop.run("sweep")
        assert shop.state(paid) == "sent_funds"
        assert outcome.is_clean
        assert [row.state for row in shop.transactions()] == ["refused", "confirmed"]


def test_a_wallet_that_the_peers_verify_endpoint_reopens_is_told_swept_once(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        paid = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        shop.pay_sol(paid)
        shop.settle_chain()
        shop.run("sweep")
        for _ in range(2):
            # A customer's page asks again; the peer sets this before it looks at anything.
            shop.set_state(paid, WalletState.PROCESSING_PAYMENT)
            shop.run("sweep")
            assert shop.state(paid) == "sent_funds"
        assert shop.kinds(paid) == ["wallet.swept"]

        shop.pay_sol(paid, "0.2")
        shop.set_state(paid, WalletState.PROCESSING_PAYMENT)
        shop.settle_chain()
        shop.run("sweep")
        assert shop.kinds(paid) == ["wallet.swept", "wallet.swept"]
        assert shop.received() == 10**9 + 3 * 10**8


def test_a_closed_wallet_that_is_marked_expired_again_is_told_closed_once(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        unpaid = shop.new_payment()
        shop.wait(hours=1)
        shop.maintain()
        assert not shop.has_account(unpaid, mint)
        shop.set_state(unpaid, WalletState.PAYMENT_EXPIRED)
        shop.maintain()
        assert shop.state(unpaid) == "payment_expired_and_wallet_closed"
        assert shop.kinds(unpaid) == ["payment.expired", "wallet.closed"]


def test_held_money_is_told_once_for_each_change_of_what_is_held(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        short = shop.new_payment()
        shop.pay_sol(short, "0.05")
        shop.pay_token(short, mint, "1")
        shop.wait(hours=1)
        shop.maintain()
        shop.maintain()
        assert shop.kinds(short) == ["payment.expired", "payment.held"]

        take_sol(shop, short, shop.deployment.receiver)
        shop.wait(hours=2)
        for _ in range(3):
            shop.maintain()
        assert shop.kinds(short) == ["payment.expired", "payment.held", "payment.held"]
        assert [(one.finding.mint, one.finding.amount) for one in shop.findings(short)] == [(mint, 10**6)]


def test_sweeping_held_funds_still_credits_what_was_paid_in_time(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        paid, short = shop.new_payment(), shop.new_payment()
        shop.pay_sol(paid)
        shop.pay_sol(short, "0.05")
        shop.wait(hours=1)
        # The peer's recheck and its expiry by the clock, in this order.
        for customer in (paid, short):
            shop.set_state(customer, WalletState.PROCESSING_PAYMENT)
            shop.set_status(customer, PaymentStatus.EXPIRED)

        shop.run("sweep", sweep_held_funds=True)
        assert (shop.status(paid), shop.state(paid)) == ("confirmed", "sent_funds")
        assert (shop.status(short), shop.state(short)) == ("expired", "sent_funds")
        assert shop.received() == 10**9 + 150_000_000


def test_a_wallet_whose_money_was_stolen_is_not_swept_because_its_rent_came_back(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        stolen = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
        shop.pay_sol(stolen)
        take_sol(shop, stolen, shop.seed.customer.pubkey())
        shop.settle_chain()

        shop.run("sweep")
        assert not shop.has_account(stolen, mint)
        assert shop.state(stolen) == "failed_to_send_funds"
        assert shop.codes(stolen) == {"funds_elsewhere"}
        assert shop.kinds(stolen) == []
