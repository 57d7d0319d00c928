"""One bad wallet, one bad answer, one bad setting: the others go on, or nothing begins."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.settings.secret import SecretKeypair
from solpay_pipeline_tests.money.attacks.moves import take_sol
from solpay_pipeline_tests.shop import SOL, open_shop


def test_a_wallet_whose_history_has_a_hole_stops_nobody_else(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        holed, paid = shop.new_payment(), shop.new_payment()
        lost = shop.pay_sol(holed)
        shop.pay_sol(paid)
        shop.settle_chain()
        # Providers keep lists of signatures for longer than the transactions themselves.
        record = shop.chain.history._by_signature.pop(lost)

        outcome = shop.run("recheck")
        assert (shop.status(holed), shop.status(paid)) == ("initiated", "confirmed")
        assert shop.codes(holed) == {"history_unreadable"}
        assert not outcome.is_clean

        shop.chain.history._by_signature[lost] = record
        shop.run("recheck")
        assert (shop.status(holed), shop.state(holed)) == ("confirmed", "sent_funds")
        assert shop.codes(holed) == set()


def test_a_transaction_of_a_version_nobody_knows_yet_stops_nobody_else(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        paid = [shop.new_payment() for _ in range(2)]
        for customer in paid:
            shop.pay_sol(customer)
        shop.settle_chain()
        shop.node.faults.add(
            Fault("rpc_error", methods={"getTransaction"}, code=-32015, message="version 2", times=1)
        )
        shop.run("recheck")
        assert sorted(map(shop.status, paid)) == ["confirmed", "initiated"]


def test_an_emptied_wallet_with_a_hole_in_its_history_stops_no_sweep(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        accepted = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
        emptied, paid = shop.new_payment(**accepted), shop.new_payment(**accepted)
        shop.pay_sol(paid)
        shop.pay_sol(emptied)
        shop.chain.history._by_signature.pop(take_sol(shop, emptied, shop.deployment.receiver))
        shop.settle_chain()
        shop.run("sweep")
        assert (shop.state(emptied), shop.state(paid)) == ("failed_to_send_funds", "sent_funds")
        assert shop.codes(emptied) == {"funds_elsewhere"}


def test_a_fee_payer_that_is_a_one_time_wallet_stops_the_run(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        paid = shop.new_payment()
        shop.pay_sol(paid)
        shop.settle_chain()
        shop.deployment = replace(shop.deployment, fee_payer=SecretKeypair(paid.keypair))
        with pytest.raises(Blocked, match="fee payer"):
            shop.run("recheck")
        assert shop.status(paid) == "initiated"


def test_a_receiver_account_that_cannot_be_opened_holds_up_its_own_token_alone(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        accepted = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
        in_tokens, in_sol = shop.new_payment(**accepted), shop.new_payment(**accepted)
        shop.pay_token(in_tokens, mint)
        shop.pay_sol(in_sol)
        shop.settle_chain()
        refused = Fault("rpc_error", methods={"sendTransaction"}, code=-32003, message="signature", times=1)
        shop.node.faults.add(refused)

        shop.run("sweep")
        assert (shop.state(in_tokens), shop.state(in_sol)) == ("failed_to_send_funds", "sent_funds")
        assert shop.codes(in_tokens) == {"destination_unfit"}

        shop.run("sweep")
        assert shop.state(in_tokens) == "sent_funds"
        assert shop.codes(in_tokens) == set()
        assert shop.received(mint) == 5_000_000


def test_a_fee_payer_without_money_keeps_nobody_from_being_credited(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        shop.accept_mint()
        unpaid, paid = shop.new_payment(), shop.new_payment()
        shop.pay_sol(paid)
        shop.wait(hours=1)
        shop.chain.put_account(shop.deployment.fee_payer.pubkey, None)
        shop.settle_chain()
        outcome = shop.run("expire", page_size=1)
        [words] = outcome.left_undone
        assert f"the fee payer {shop.deployment.fee_payer.pubkey} has 0 lamports" in words
        assert (shop.status(unpaid), shop.status(paid)) == ("expired", "confirmed")


def test_a_keypair_that_no_key_opens_stops_nobody_else(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        accepted = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
        sealed_elsewhere, paid = shop.new_payment(**accepted), shop.new_payment(**accepted)
        for customer in (sealed_elsewhere, paid):
            shop.pay_sol(customer)
        shop.settle_chain()
        wallets = shop.deployment.tables.wallet
        with shop.deployment.engine.begin() as connection:
            connection.execute(
                wallets.update()
                .where(wallets.c.id == sealed_elsewhere.wallet_id)
                .values(keypair_json=Fernet(Fernet.generate_key()).encrypt(b"[]").decode())
            )
        assert not shop.run("sweep").is_clean
        assert (shop.state(paid), shop.state(sealed_elsewhere)) == ("sent_funds", "failed_to_send_funds")
        assert shop.codes(sealed_elsewhere) == {"key_unreadable"}
        assert shop.received() == SOL + SOL // 10


def test_a_wallet_whose_payment_was_deleted_stops_nobody_else(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        accepted = {"status": PaymentStatus.CONFIRMED, "state": WalletState.PROCESSING_PAYMENT}
        orphan, paid = shop.new_payment(**accepted), shop.new_payment(**accepted)
        shop.pay_sol(paid)
        shop.settle_chain()
        tables = shop.deployment.tables
        with shop.deployment.engine.begin() as connection:
            link = tables.payment_price
            connection.execute(link.delete().where(link.c[tables.payment_column] == orphan.payment_id))
            connection.execute(tables.payment.delete().where(tables.payment.c.id == orphan.payment_id))
        assert not shop.run("sweep").is_clean
        assert (shop.state(paid), shop.state(orphan)) == ("sent_funds", "processing_payment")
        assert shop.codes(orphan) == {"no_payment"}
