"""What was taken from a wallet is told with amount, destination and signature, whatever else the taker did."""

import pytest
from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer

from solpay_pipeline.chain.sending.instructions import lower
from solpay_pipeline.lifecycle.actions import MoveTokens
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline_tests.money.attacks.moves import take_tokens
from solpay_pipeline_tests.shop import SOL, Shop, open_shop


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def move_sol(shop: Shop, customer, *parts):
    """One transaction signed by the wallet's key: so many lamports to each."""
    moves = [
        transfer(TransferParams(from_pubkey=customer.address, to_pubkey=to, lamports=lamports))
        for to, lamports in parts
    ]
    return shop.seed.send(moves, [customer.keypair])


def paid(shop: Shop):
    return shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)


def test_one_lamport_to_the_receiver_does_not_explain_the_rest(shop):
    customer, thief = paid(shop), Keypair().pubkey()
    shop.pay_sol(customer)
    signature = move_sol(shop, customer, (shop.deployment.receiver, 1), (thief, 99_999_999))
    shop.settle_chain()
    outcome = shop.run("sweep")
    (finding,) = outcome.set_aside
    assert (finding.code, finding.mint, finding.amount) == ("funds_elsewhere", None, 99_999_999)
    assert str(thief) in finding.explanation
    assert signature in finding.explanation
    assert shop.state(customer) == "failed_to_send_funds"
    assert "wallet.swept" not in shop.kinds(customer)


def test_one_unit_to_the_receiver_does_not_explain_the_rest(shop):
    mint = shop.accept_mint()
    customer, thief = paid(shop), Keypair().pubkey()
    shop.pay_token(customer, mint)
    source, program = shop.ata(customer.address, mint), shop.seed._program_of(mint)
    shares = [
        (shop.seed.create_ata(shop.deployment.receiver, mint), 1),
        (shop.seed.create_ata(thief, mint), 4_999_999),
    ]
    moves = [
        each
        for account, amount in shares
        for each in lower(MoveTokens(source, mint, program, 6, amount, account), customer.address)
    ]
    shop.seed.send(moves, [customer.keypair])
    shop.settle_chain()
    outcome = shop.run("sweep")
    (finding,) = outcome.set_aside
    assert (finding.code, finding.mint, finding.amount) == ("funds_elsewhere", mint, 4_999_999)
    assert str(thief) in finding.explanation
    assert shop.state(customer) == "failed_to_send_funds"


def test_a_sweep_by_the_peer_is_still_explained(shop):
    customer = paid(shop)
    shop.pay_sol(customer)
    move_sol(shop, customer, (shop.deployment.receiver, 100_000_000))
    shop.settle_chain()
    outcome = shop.run("sweep")
    assert not outcome.set_aside
    assert shop.codes(customer) == {"foreign_movement"}
    assert shop.state(customer) == "sent_funds"


def test_a_payment_that_somebody_sent_to_the_fee_payer_is_not_home(shop):
    customer = paid(shop)
    shop.pay_sol(customer)
    move_sol(shop, customer, (shop.fee_payer.pubkey(), 100_000_000))
    shop.settle_chain()
    (finding,) = shop.run("sweep").set_aside
    assert (finding.code, finding.mint, finding.amount) == ("funds_elsewhere", None, 100_000_000)


def test_a_part_that_was_taken_before_we_sent_the_rest_home_is_told(shop):
    mint, thief = shop.accept_mint(), Keypair().pubkey()
    in_tokens, in_sol, untouched = shop.new_payment(), shop.new_payment(), shop.new_payment()
    shop.pay_token(in_tokens, mint)
    shop.pay_sol(in_sol)
    shop.pay_sol(untouched)
    shop.settle_chain()
    shop.run("recheck", forward_funds=False)
    take_tokens(shop, in_tokens, mint, thief, 2_000_000)
    move_sol(shop, in_sol, (thief, 40_000_000))
    shop.settle_chain()
    outcome = shop.run("sweep")
    lost = {(one.wallet_id, one.code.value, one.mint, one.amount) for one in outcome.set_aside}
    assert lost == {
        (in_tokens.wallet_id, "funds_elsewhere", mint, 2_000_000),
        (in_sol.wallet_id, "funds_elsewhere", None, 40_000_000),
    }
    assert shop.received(mint) == 3_000_000
    assert [shop.state(one) for one in (in_tokens, in_sol)] == ["failed_to_send_funds"] * 2
    assert (shop.state(untouched), shop.codes(untouched)) == ("sent_funds", set())


def test_a_part_of_what_was_paid_too_much_that_was_taken_before_the_sweep_is_told(shop):
    customer, thief = shop.new_payment(), Keypair().pubkey()
    shop.pay_sol(customer, "0.3")
    shop.settle_chain()
    shop.run("recheck", forward_funds=False)
    signature = move_sol(shop, customer, (thief, 50_000_000))
    shop.settle_chain()
    outcome = shop.run("sweep")
    (finding,) = outcome.set_aside
    assert (finding.code, finding.mint, finding.amount) == ("funds_elsewhere", None, 50_000_000)
    assert signature in finding.explanation
    assert shop.received() == SOL + 250_000_000


def test_what_was_paid_too_much_and_came_home_is_not_read_again(shop):
    customer = shop.new_payment()
    shop.pay_sol(customer, "0.3")
    shop.settle_chain()
    shop.run("recheck", forward_funds=False)
    outcome = shop.run("sweep")
    assert shop.state(customer) == "sent_funds"
    assert not outcome.rpc_calls.get("getTransaction")
