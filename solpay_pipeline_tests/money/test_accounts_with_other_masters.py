"""Whoever has a wallet's key can let others empty its accounts, or hide money in new ones: it is found and told all the same."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

from solpay_pipeline.localnet.tools.seed import TOKEN
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

PRICE = 5_000_000
HIDDEN = 60_000_000
TRANSFER_CHECKED, APPROVE, SET_AUTHORITY, CLOSE, INITIALIZE = b"\x0c", b"\x04", b"\x06", b"\x09", b"\x12"
ACCOUNT_OWNER = b"\x02"


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


@pytest.fixture
def mint(shop):
    return shop.accept_mint()


def token_instruction(content: bytes, *accounts: Pubkey, signer: Pubkey) -> Instruction:
    keys = [AccountMeta(account, False, True) for account in accounts]
    return Instruction(TOKEN, content, [*keys, AccountMeta(signer, True, False)])


def let_empty(shop: Shop, customer: Customer, mint: Pubkey, thief: Pubkey) -> None:
    """Approve him as the account's delegate."""
    content = APPROVE + (2**63).to_bytes(8, "little")
    account, owner = shop.ata(customer.address, mint), customer.address
    shop.seed.send([token_instruction(content, account, thief, signer=owner)], [customer.keypair])


def hand_over(shop: Shop, customer: Customer, mint: Pubkey, thief: Pubkey) -> None:
    """Make him the account's owner."""
    content = SET_AUTHORITY + ACCOUNT_OWNER + b"\x01" + bytes(thief)
    account, owner = shop.ata(customer.address, mint), customer.address
    shop.seed.send([token_instruction(content, account, signer=owner)], [customer.keypair])


def move(shop: Shop, source: Pubkey, to: Pubkey, mint: Pubkey, amount: int, by: Keypair) -> str:
    content = TRANSFER_CHECKED + amount.to_bytes(8, "little") + bytes([6])
    return shop.seed.send([token_instruction(content, source, mint, to, signer=by.pubkey())], [by])


@pytest.mark.parametrize("is_full", [True, False], ids=["in full", "short"])
@pytest.mark.parametrize("prepare", [let_empty, hand_over])
@pytest.mark.parametrize("is_named", [False, True], ids=["at the end of its time", "named by an operator"])
def test_what_somebody_took_whom_the_wallets_key_had_let_is_told(shop, mint, prepare, is_full, is_named):
    customer, thief = shop.new_payment(), Keypair()
    amount = PRICE if is_full else PRICE // 2
    if prepare is let_empty:
        prepare(shop, customer, mint, thief.pubkey())
    shop.pay_token(customer, mint, str(amount / 10**6))
    if prepare is hand_over:
        prepare(shop, customer, mint, thief.pubkey())
    own = shop.seed.create_ata(thief.pubkey(), mint)
    move(shop, shop.ata(customer.address, mint), own, mint, amount, thief)
    shop.finalize_chain()
    if is_named:
        shop.run("recheck", payment_ids=frozenset({customer.payment_id}))
    shop.wait(hours=2)
    shop.maintain()
    assert shop.status(customer) == ("confirmed" if is_full else "expired")
    assert "funds_elsewhere" in shop.codes(customer)


def paid(shop: Shop, mint: Pubkey | None = None) -> Customer:
    customer = shop.new_payment()
    shop.pay_sol(customer) if mint is None else shop.pay_token(customer, mint)
    shop.settle_chain()
    shop.run("recheck", forward_funds=False)
    return customer


def hide(shop: Shop, customer: Customer, mint: Pubkey) -> Pubkey:
    """Open a token account with the wallet's own lamports, more than any needs."""
    account = Keypair()
    opened = create_account(
        CreateAccountParams(
            from_pubkey=customer.address, to_pubkey=account.pubkey(), lamports=HIDDEN, space=165, owner=TOKEN
        )
    )
    named = [AccountMeta(account.pubkey(), False, True), AccountMeta(mint, False, False)]
    initialized = Instruction(TOKEN, INITIALIZE + bytes(customer.address), named)
    shop.seed.send([opened, initialized], [customer.keypair, account])
    return account.pubkey()


def test_lamports_that_left_as_the_rent_of_an_account_are_told(shop, mint):
    customer, thief = paid(shop), Keypair().pubkey()
    account = hide(shop, customer, mint)
    shop.seed.airdrop(thief, SOL)
    close = token_instruction(CLOSE, account, thief, signer=customer.address)
    shop.seed.send([close], [customer.keypair])
    shop.settle_chain()
    outcome = shop.run("sweep")
    [lost] = outcome.set_aside
    assert (lost.code, lost.mint, lost.amount) == ("funds_elsewhere", None, HIDDEN)


def test_tokens_that_were_moved_to_another_account_of_the_wallet_come_home(shop, mint):
    customer = paid(shop, mint)
    other = shop.seed.create_token_account(customer.address, mint)
    move(shop, shop.ata(customer.address, mint), other, mint, PRICE, customer.keypair)
    shop.settle_chain()
    shop.run("sweep")
    shop.run("sweep")
    assert shop.state(customer) == "sent_funds"
    assert shop.received(mint) == PRICE
    assert shop.seed.lamports(other) == 0
    assert not shop.codes(customer)
