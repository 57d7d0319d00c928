"""Every account of the wallet that credits a payment is looked at before the wallet is called empty."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAM_ID
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

RENT_SYSVAR = Pubkey.from_string("SysvarRent111111111111111111111111111111111")
TOKEN_ACCOUNT_BYTES = 165


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def own_account(shop: Shop, customer: Customer, mint: Pubkey) -> Pubkey:
    """A token account of the wallet that is no ATA; its opening names the wallet, as InitializeAccount does."""
    account, payer = Keypair(), shop.seed.customer.pubkey()
    made = create_account(
        CreateAccountParams(
            from_pubkey=payer,
            to_pubkey=account.pubkey(),
            lamports=2_039_280,
            space=TOKEN_ACCOUNT_BYTES,
            owner=TOKEN_PROGRAM_ID,
        )
    )
    named = [mint, customer.address, RENT_SYSVAR]
    keys = [AccountMeta(account.pubkey(), False, True), *(AccountMeta(one, False, False) for one in named)]
    shop.seed.send([made, Instruction(TOKEN_PROGRAM_ID, b"\x01", keys)], [account])
    return account.pubkey()


def test_tokens_at_an_account_that_is_no_ata_are_credited_and_come_home_with_the_rest(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    account = own_account(shop, customer, mint)
    shop.seed.mint_to(account, mint, 5_000_000)
    shop.pay_sol(customer, "0.001")
    shop.settle_chain()
    shop.run("recheck", payment_ids=frozenset({customer.payment_id}))
    assert shop.status(customer) == "confirmed"
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 5_000_000
    assert shop.seed.lamports(account) == 0


def test_a_later_sweep_remembers_the_account(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    account = own_account(shop, customer, mint)
    shop.seed.mint_to(account, mint, 5_000_000)
    shop.pay_sol(customer, "0.001")
    shop.settle_chain()
    shop.run("recheck", payment_ids=frozenset({customer.payment_id}), forward_funds=False)
    shop.run("sweep")
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 5_000_000


def pay_unasked(shop: Shop, customer: Customer, mint: Pubkey, amount: int, is_one_transaction: bool) -> None:
    """To an ATA that the customer opens, in the transaction of the transfer or in one before it."""
    owner = customer.address
    if not is_one_transaction:
        shop.seed.pay_token(owner, mint, amount)
        return
    payer = shop.seed.customer.pubkey()
    source = shop.seed.mint_to(payer, mint, amount)
    keys = [
        AccountMeta(source, False, True),
        AccountMeta(shop.ata(owner, mint), False, True),
        AccountMeta(payer, True, False),
    ]
    moved = Instruction(TOKEN_PROGRAM_ID, b"\x03" + amount.to_bytes(8, "little"), keys)
    shop.seed.send([shop.seed._create_ata(owner, mint), moved])


@pytest.mark.parametrize("is_one_transaction", [True, False], ids=["one transaction", "two transactions"])
@pytest.mark.parametrize("is_wrapped_sol", [True, False], ids=["wrapped SOL", "another token of the shop"])
def test_a_token_that_no_price_names_is_held_and_never_left_in_a_closed_wallet(
    shop, is_wrapped_sol, is_one_transaction
):
    customer = shop.new_payment()
    mint, amount = (NATIVE_MINT, SOL // 10) if is_wrapped_sol else (shop.accept_mint(), 5_000_000)
    pay_unasked(shop, customer, mint, amount, is_one_transaction)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    assert [(one.finding.code, one.finding.mint, one.finding.amount) for one in shop.findings(customer)] == [
        ("unexpected", mint, amount)
    ]
