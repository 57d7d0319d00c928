"""Money that a quick look does not show: unreadable, moved on, in rows that no operation names."""

from pathlib import Path

from solders.keypair import Keypair

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.money.attacks.moves import (
    accept_wrapped_sol,
    pay_with_own_fee,
    take_sol,
    take_tokens,
)
from solpay_pipeline_tests.shop import open_shop


def test_a_wallet_whose_mint_cannot_be_read_is_neither_expired_nor_closed(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        paid = shop.new_payment()
        waiting = shop.new_payment(status=PaymentStatus.EXPIRED, state=WalletState.PAYMENT_EXPIRED)
        shop.pay_token(paid, mint)
        shop.pay_token(waiting, mint, "1")
        shop.wait(hours=1)
        # The ledger is bound: a first run would ask whether a cluster without the shop's token is the right one.
        shop.run("reclaim", payment_ids=frozenset({paid.payment_id}))
        account = shop.chain.accounts.newest(mint)
        shop.chain.put_account(mint, None)
        shop.settle_chain()

        shop.maintain()
        assert shop.status(paid) == "initiated"
        assert shop.state(waiting) == "payment_expired"
        assert "mint_unreadable" in shop.codes(paid) & shop.codes(waiting)

        shop.chain.put_account(mint, account)
        shop.settle_chain()
        shop.maintain()
        assert (shop.status(paid), shop.state(paid)) == ("confirmed", "sent_funds")
        assert shop.state(waiting) == "received_funds"
        assert "mint_unreadable" not in shop.codes(paid) | shop.codes(waiting)


def test_a_payment_that_was_sent_on_and_rolled_back_is_accepted_before_it_expires(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        in_sol, in_tokens = shop.new_payment(), shop.new_payment()
        shop.pay_sol(in_sol)
        shop.pay_token(in_tokens, mint)
        take_sol(shop, in_sol, shop.deployment.receiver)
        take_tokens(shop, in_tokens, mint, shop.deployment.receiver)
        shop.wait(hours=1)

        shop.maintain()
        for customer in (in_sol, in_tokens):
            assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
            assert shop.kinds(customer) == ["payment.accepted", "wallet.swept"]


def test_rows_that_the_peer_expired_by_its_clock_alone_are_judged_and_closed(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        paid, unpaid, short = (shop.new_payment() for _ in range(3))
        shop.pay_token(paid, mint)
        shop.pay_token(short, mint, "1")
        shop.wait(days=30)
        for customer in (paid, unpaid, short):
            shop.set_status(customer, PaymentStatus.EXPIRED)

        shop.maintain()
        assert (shop.status(paid), shop.state(paid)) == ("confirmed", "sent_funds")
        assert (shop.status(unpaid), shop.state(unpaid)) == ("expired", "payment_expired_and_wallet_closed")
        assert (shop.status(short), shop.state(short)) == ("expired", "received_funds")
        assert not shop.has_account(unpaid, mint)


def test_money_of_an_accepted_payment_goes_home_whatever_state_its_wallet_is_in(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        customers = {
            state: shop.new_payment(status=PaymentStatus.CONFIRMED, state=state) for state in WalletState
        }
        for customer in customers.values():
            shop.pay_sol(customer)
        shop.settle_chain()

        shop.maintain()
        shop.maintain()
        assert {state: shop.state(customer) for state, customer in customers.items()} == dict.fromkeys(
            WalletState, "sent_funds"
        )
        assert all(shop.seed.lamports(customer.address) == 0 for customer in customers.values())


def test_lamports_sent_to_a_wrapped_sol_account_do_not_block_its_expiry(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        wrapped = accept_wrapped_sol(shop)
        unpaid = shop.new_payment()
        shop.seed.airdrop(shop.ata(unpaid.address, wrapped), 1)
        shop.wait(hours=1)

        shop.maintain()
        assert (shop.status(unpaid), shop.state(unpaid)) == ("expired", "received_funds")


def test_a_second_fee_that_the_wallet_paid_itself_does_not_block_its_expiry(tmp_path: Path) -> None:
    """A hand that uses the wallet as fee payer leaves less than the transfers alone add up to."""
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        short = shop.new_payment()
        shop.pay_sol(short, "0.05")
        shop.settle_chain()
        pay_with_own_fee(shop, short, Keypair().pubkey(), 10_000_000)
        shop.wait(hours=1)

        shop.maintain()
        assert (shop.status(short), shop.state(short)) == ("expired", "received_funds")


def test_money_that_comes_after_expiry_is_noticed_where_wallets_are_not_closed(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        late = shop.new_payment()
        shop.wait(hours=1)
        shop.run("expire", close_wallets=False)
        assert shop.state(late) == "payment_expired"

        shop.pay_sol(late)
        shop.settle_chain()
        shop.run("expire", close_wallets=False)
        assert shop.state(late) == "received_funds"
        assert shop.codes(late) == {"late"}


def test_a_payment_that_was_sent_on_and_then_expired_by_the_peers_clock_is_credited(tmp_path: Path) -> None:
    """The verify endpoint sent the money on and failed; asked again after the time was over, it expired the payment."""
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        mint = shop.accept_mint()
        paid, unpaid = shop.new_payment(), shop.new_payment()
        shop.pay_token(paid, mint)
        take_tokens(shop, paid, mint, shop.deployment.receiver)
        shop.wait(hours=1)
        for customer in (paid, unpaid):
            shop.set_status(customer, PaymentStatus.EXPIRED)
            shop.set_state(customer, WalletState.PAYMENT_EXPIRED)

        shop.maintain()
        shop.maintain()
        assert (shop.status(paid), shop.state(paid)) == ("confirmed", "sent_funds")
        assert (shop.status(unpaid), shop.state(unpaid)) == ("expired", "payment_expired_and_wallet_closed")
