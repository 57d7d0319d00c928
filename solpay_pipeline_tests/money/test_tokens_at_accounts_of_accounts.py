"""Tokens that somebody sent to an account of the wallet's token account count, and come home."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAM_ID
from solpay_pipeline.chain.sending.instructions import lower
from solpay_pipeline.lifecycle.actions import RecoverNested
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.localnet.tools.seed import TOKEN_2022
from solpay_pipeline_tests.money.attacks.moves import accept_wrapped_sol
from solpay_pipeline_tests.shop import SOL, Customer, Shop, open_shop

PRICE = 5_000_000
RENT_SYSVAR = Pubkey.from_string("SysvarRent111111111111111111111111111111111")


@pytest.fixture
def shop(tmp_path):
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def pay_into(shop: Shop, customer: Customer, outer_mint: Pubkey, mint: Pubkey, amount: int = PRICE) -> Pubkey:
    """What a customer does who takes the address of a token account for that of a wallet; the nested account."""
    outer = shop.ata(customer.address, outer_mint)
    shop.seed.pay_token(outer, mint, amount)
    return shop.ata(outer, mint)


def account_that_names(shop: Shop, owner: Pubkey, mint: Pubkey) -> Pubkey:
    """A token account of `owner` that is no ATA; its opening names the owner, as InitializeAccount does."""
    account = Keypair()
    made = create_account(
        CreateAccountParams(
            from_pubkey=shop.seed.customer.pubkey(),
            to_pubkey=account.pubkey(),
            lamports=shop.chain.minimum_balance(165),
            space=165,
            owner=TOKEN_PROGRAM_ID,
        )
    )
    keys = [AccountMeta(account.pubkey(), False, True)]
    keys += [AccountMeta(one, False, False) for one in (mint, owner, RENT_SYSVAR)]
    shop.seed.send([made, Instruction(TOKEN_PROGRAM_ID, b"\x01", keys)], [account])
    return account.pubkey()


def payer_lamports(shop: Shop) -> int:
    return shop.seed.lamports(shop.deployment.fee_payer.pubkey)


def is_gone(shop: Shop, *addresses: Pubkey) -> bool:
    return all(shop.seed.lamports(address) == 0 for address in addresses)


def family(shop: Shop, customer: Customer, *mints: Pubkey) -> list[Pubkey]:
    own = [shop.ata(customer.address, mint) for mint in mints]
    return own + [shop.ata(outer, mint) for outer in own for mint in mints]


@pytest.mark.parametrize("program", ["classic", "token-2022"])
def test_a_price_paid_into_an_account_of_the_wallets_account_is_credited_and_comes_home(shop, program):
    mint = shop.accept_mint(**({"program": TOKEN_2022} if program == "token-2022" else {}))
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, mint)
    rent, before = shop.seed.lamports(nested), payer_lamports(shop)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.deployment.receiver, mint) == PRICE
    assert is_gone(shop, *family(shop, customer, mint))
    assert shop.findings(customer) == []
    # Rent of the nested account and of the wallet's own came back; what opens the receiver's account was paid.
    opened = shop.seed.lamports(shop.ata(shop.deployment.receiver, mint))
    fees = sum(one.fee for one in shop.transactions())
    assert payer_lamports(shop) == before + 2 * rent - opened - fees
    shop.maintain()
    assert shop.state(customer) == "sent_funds"


def test_it_comes_home_though_the_wallets_account_is_closed_by_then(shop):
    mint, other = shop.accept_mint(), shop.accept_mint()
    customer = shop.new_payment()
    outer = shop.ata(customer.address, other)
    nested = pay_into(shop, customer, other, mint)
    shop.seed.close_ata(customer.keypair, other)
    shop.seed.close_ata(customer.keypair, mint)
    before = payer_lamports(shop)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.deployment.receiver, mint) == PRICE
    assert is_gone(shop, outer, nested, *family(shop, customer, mint, other))
    rent, opened = 1_488_440, shop.seed.lamports(shop.ata(shop.deployment.receiver, mint))
    assert payer_lamports(shop) == before + rent - opened - sum(one.fee for one in shop.transactions())


def test_a_short_payment_there_is_held_and_told_with_its_account_which_stays_open(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, mint, 1_000_000)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.mint, held.amount) == ("short", mint, 1_000_000)
    assert str(nested) in held.explanation
    assert not is_gone(shop, shop.ata(customer.address, mint))
    shop.run("sweep", sweep_held_funds=True)
    assert shop.tokens_of(shop.deployment.receiver, mint) == 1_000_000
    assert is_gone(shop, *family(shop, customer, mint))


def test_a_token_with_a_transfer_fee_comes_home_less_the_fees_and_leaves_nothing_behind(shop):
    mint = shop.accept_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_sol(customer)
    pay_into(shop, customer, mint, mint)
    shop.settle_chain()
    shop.maintain()
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 4_851_495
    assert is_gone(shop, *family(shop, customer, mint))


def test_what_comes_after_the_peer_expired_and_closed_the_wallet_is_found_and_held(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.wait(hours=2)
    shop.seed.close_ata(customer.keypair, mint)
    shop.set_status(customer, PaymentStatus.EXPIRED)
    shop.set_state(customer, WalletState.CLOSED)
    nested = pay_into(shop, customer, mint, mint)
    shop.settle_chain()
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.amount) == ("late", PRICE)
    assert str(nested) in held.explanation


def test_what_came_in_time_counts_though_somebody_took_it_out_of_there_too_late(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, mint)
    shop.wait(hours=2)
    outer = shop.ata(customer.address, mint)
    action = RecoverNested(nested, mint, TOKEN_PROGRAM_ID, PRICE, outer, mint, outer, 0, customer.address)
    shop.seed.send([lower(action, customer.address)[0]], [customer.keypair])
    shop.settle_chain()
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.receiver, mint) == PRICE


def test_what_comes_after_the_sweep_comes_home_too(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_token(customer, mint)
    shop.settle_chain()
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    pay_into(shop, customer, mint, mint)
    shop.wait(days=2)
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    assert shop.tokens_of(shop.deployment.receiver, mint) == 2 * PRICE
    assert is_gone(shop, *family(shop, customer, mint))


def test_what_nobody_asked_for_is_held_with_what_was_short_where_a_history_names_it(shop):
    mint, strange = shop.accept_mint(), shop.seed.create_mint()
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, strange, 7)
    shop.pay_sol(customer, "0.05")
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    told = {one.finding.mint: one.finding for one in shop.findings(customer)}
    assert (told[None].code, told[strange].code, told[strange].amount) == ("short", "unexpected", 7)
    assert str(nested) in told[strange].explanation
    assert not is_gone(shop, shop.ata(customer.address, mint))
    shop.seed.create_ata(shop.receiver, strange)
    shop.run("sweep", sweep_held_funds=True)
    assert shop.tokens_of(shop.receiver, strange) == 7
    assert is_gone(shop, nested, *family(shop, customer, mint, strange))


@pytest.mark.parametrize("is_wanted", [True, False], ids=["an account for it", "no account for it"])
def test_in_a_paid_wallet_what_nobody_asked_for_goes_home_where_the_receiver_has(shop, is_wanted):
    mint, strange = shop.accept_mint(), shop.seed.create_mint()
    customer = shop.new_payment()
    strange_account = pay_into(shop, customer, mint, strange, 7)
    pay_into(shop, customer, mint, mint)
    if is_wanted:
        shop.seed.create_ata(shop.receiver, strange)
    shop.wait(hours=2)
    shop.maintain()
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.receiver, mint) == PRICE
    assert is_gone(shop, *family(shop, customer, mint))
    if is_wanted:
        assert shop.tokens_of(shop.receiver, strange) == 7
        assert is_gone(shop, strange_account)
    else:
        (told,) = [one.finding for one in shop.findings(customer) if one.finding.code != "overpaid"]
        assert (told.code, told.mint, told.amount) == ("unasked", strange, 7)


@pytest.mark.parametrize("kind", ["frozen", "paused", "gone"])
def test_nested_tokens_that_cannot_move_are_set_aside_and_their_way_stays_open(shop, kind):
    how = {"program": TOKEN_2022, "extensions": ["pausable"]} if kind == "paused" else {}
    mint = shop.accept_mint(**how)
    shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    nested = pay_into(shop, customer, mint, mint)
    outer = shop.ata(customer.address, mint)
    shop.settle_chain()
    # A look that names the payment asks for accounts of accounts.
    shop.set_status(customer, PaymentStatus.INITIATED)
    shop.run("recheck", payment_ids=frozenset({customer.payment_id}), forward_funds=False)
    assert shop.status(customer) == "confirmed"
    if kind == "frozen":
        shop.seed.freeze(nested, mint)
    elif kind == "paused":
        shop.seed.pause(mint)
    else:
        shop.chain.put_account(mint, None)
    shop.settle_chain()
    shop.run("sweep")
    assert shop.state(customer) == "failed_to_send_funds"
    aside = [one.finding for one in shop.findings(customer)]
    assert [one.code for one in aside] == ["token_stuck"]
    assert str(nested) in aside[0].explanation
    assert str(PRICE) in aside[0].explanation
    assert not is_gone(shop, outer)


def test_an_account_that_belongs_to_the_wallets_account_and_is_no_ata_is_set_aside_by_name(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    outer = shop.ata(customer.address, mint)
    account = account_that_names(shop, outer, mint)
    shop.seed.mint_to(account, mint, PRICE)
    shop.pay_sol(customer, "0.05")
    shop.wait(hours=2)
    shop.maintain()
    assert shop.status(customer) == "confirmed"
    stuck = [one.finding for one in shop.findings(customer) if one.finding.code == "token_stuck"]
    assert [str(account) in one.explanation for one in stuck] == [True]


def test_a_dry_run_plans_the_way_home_and_moves_nothing(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    nested = pay_into(shop, customer, mint, mint, 1_000_000)
    shop.wait(hours=2)
    shop.maintain()
    outcome = shop.run("sweep", sweep_held_funds=True, dry_run=True)
    assert outcome.transactions == 1
    assert not is_gone(shop, nested)


def test_accounts_of_different_token_programs_are_set_aside_by_name(shop):
    mint, other = shop.accept_mint(), shop.accept_mint(program=TOKEN_2022)
    customer = shop.new_payment()
    nested = pay_into(shop, customer, other, mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "failed_to_send_funds")
    (stuck,) = [one.finding for one in shop.findings(customer)]
    assert (stuck.code, stuck.mint, stuck.amount) == ("token_stuck", mint, PRICE)
    assert str(nested) in stuck.explanation
    assert not is_gone(shop, shop.ata(customer.address, other))


def test_an_account_of_an_account_of_an_account_is_set_aside_by_name(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    middle = pay_into(shop, customer, mint, mint)
    shop.seed.pay_token(middle, mint, 3_000_000)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "failed_to_send_funds")
    (stuck,) = [one.finding for one in shop.findings(customer) if one.finding.code != "overpaid"]
    assert (stuck.code, stuck.amount) == ("token_stuck", 3_000_000)
    assert str(shop.ata(middle, mint)) in stuck.explanation


def test_lamports_sent_to_a_nested_account_are_money_and_its_rent_goes_to_the_fee_payer(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment(status=PaymentStatus.CONFIRMED, state=WalletState.PROCESSING_PAYMENT)
    shop.pay_sol(customer)
    nested = pay_into(shop, customer, mint, mint)
    shop.seed.pay_sol(nested, 7_000_000)
    shop.settle_chain()
    home = shop.received()
    shop.maintain()
    shop.maintain()
    assert shop.state(customer) == "sent_funds"
    assert shop.received() - home == 107_000_000
    assert shop.tokens_of(shop.deployment.receiver, mint) == PRICE


@pytest.mark.parametrize("lamports", [900_000, 50_000_000])
def test_lamports_at_the_address_of_a_nested_account_that_is_not_open_come_home(shop, lamports):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    address = shop.ata(shop.ata(customer.address, mint), mint)
    shop.seed.pay_sol(address, lamports)
    shop.wait(hours=2)
    home, before = shop.received(), payer_lamports(shop)
    rent = shop.seed.lamports(shop.ata(customer.address, mint))
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "received_funds")
    (held,) = [one.finding for one in shop.findings(customer)]
    assert (held.code, held.mint, held.amount) == ("unexpected", None, lamports)
    assert str(address) in held.explanation
    shop.run("sweep", sweep_held_funds=True)
    assert shop.received() - home == lamports
    assert is_gone(shop, *family(shop, customer, mint))
    assert payer_lamports(shop) == before + rent - sum(one.fee for one in shop.transactions())


def test_wrapped_sol_in_a_nested_account_comes_home_as_wrapped_sol(shop):
    mint = accept_wrapped_sol(shop)
    customer = shop.new_payment(prices={mint: "5"})
    nested = shop.seed.create_ata(shop.ata(customer.address, mint), mint)
    shop.seed.pay_sol(nested, 5 * SOL)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "sent_funds")
    assert shop.tokens_of(shop.deployment.receiver, NATIVE_MINT) == 5 * SOL
    assert is_gone(shop, *family(shop, customer, mint))


def test_an_empty_nested_account_is_closed_with_the_others_where_its_rent_is_worth_it(shop):
    mint = shop.accept_mint()
    customer = shop.new_payment()
    shop.seed.create_ata(shop.ata(customer.address, mint), mint)
    shop.wait(hours=2)
    shop.maintain()
    assert (shop.status(customer), shop.state(customer)) == ("expired", "payment_expired_and_wallet_closed")
    assert is_gone(shop, *family(shop, customer, mint))
