"""What customers, the peer, a thief or a broken disk do to one payment: small deeds that make up situations."""

from collections.abc import Callable

import sqlalchemy as sa
from cryptography.fernet import Fernet
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.instructions import create_ata_idempotent, lower
from solpay_pipeline.demo.shop import TAX_BASIS_POINTS, Shop
from solpay_pipeline.lifecycle.actions import Action, CloseAccount, MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.testing.shop import Customer

Deed = Callable[[Shop, Customer], object]


def pays(symbol: str, percent: int = 100, *, version: int = 0) -> Deed:
    """The customer sends so much of the price, rounded up."""

    def deed(shop: Shop, case: Customer) -> None:
        mint = shop.token(symbol).mint
        shop.pay(case, mint, -(-case.prices[mint] * percent // 100), version=version)

    return deed


def pays_net(symbol: str) -> Deed:
    """The customer sends what leaves the whole price after the mint's transfer fee."""

    def deed(shop: Shop, case: Customer) -> None:
        price = case.prices[shop.mint(symbol)]
        gross = price * 10_000 // (10_000 - TAX_BASIS_POINTS)
        while gross - -(-gross * TAX_BASIS_POINTS // 10_000) < price:
            gross += 1
        shop.pay(case, shop.mint(symbol), gross)

    return deed


def receives(symbol: str, units: int) -> Deed:
    """Somebody sends base units, whatever the price."""
    return lambda shop, case: shop.pay(case, shop.token(symbol).mint, units)


def is_minted(symbol: str) -> Deed:
    """The mint's authority issues the price to the wallet, where a customer's transfer is not possible."""
    return lambda shop, case: shop.seed.mint_to(
        case.address, shop.mint(symbol), case.prices[shop.mint(symbol)]
    )


def is_frozen(symbol: str) -> Deed:
    """The mint's authority freezes the wallet's account."""
    return lambda shop, case: shop.seed.freeze(
        shop.seed.ata(case.address, shop.mint(symbol)), shop.mint(symbol)
    )


def is_accepted(symbol: str, state: WalletState = WalletState.PROCESSING_PAYMENT) -> Deed:
    """The shop's verification noticed the payment; the wallet waits in `state` for its sweep."""
    return lambda shop, case: shop.accept_payment(case, shop.token(symbol).mint, state=state)


def is_left(status: PaymentStatus, state: WalletState) -> Deed:
    """The peer left the two rows like this."""

    def deed(shop: Shop, case: Customer) -> None:
        shop.change_payment(case, status=status.value)
        shop.change_wallet(case, state=state.value)

    return deed


def accounts_are_closed(shop: Shop, case: Customer) -> None:
    """The peer closes the wallet's empty token accounts; their rent goes to the fee payer."""
    accounts = {shop.seed.ata(case.address, mint): mint for mint in case.prices if mint is not None}
    payer = shop.fee_payer.pubkey()
    closes = [
        CloseAccount(account, shop.tokens[mint].program, shop.seed.lamports(account), payer)
        for account, mint in accounts.items()
    ]
    _act(shop, case, *closes)


def goes_home(symbol: str) -> Deed:
    """The peer's own sweep of this token lands."""
    return lambda shop, case: _send_all(shop, case, symbol, shop.receiver)


def goes_elsewhere(symbol: str) -> Deed:
    """Somebody who has the key sends this token to somebody else."""
    return lambda shop, case: _send_all(shop, case, symbol, shop.stranger)


def key_is_lost(shop: Shop, case: Customer) -> None:
    """The row was sealed with a key that nobody has any more."""
    sealed = Fernet(Fernet.generate_key()).encrypt(case.keypair.to_json().encode()).decode()
    shop.change_wallet(case, keypair_json=sealed)


def key_is_plain(shop: Shop, case: Customer) -> None:
    """The row holds the keypair in plain text, in a shop that encrypts."""
    shop.change_wallet(case, keypair_json=case.keypair.to_json())


def key_is_of_another(shop: Shop, case: Customer) -> None:
    """The row holds the keypair of another address."""
    shop.change_wallet(case, keypair_json=shop.deployment.vault.seal(shop.new_keypair()))


def payment_is_deleted(shop: Shop, case: Customer) -> None:
    """Somebody deletes the payment; its wallet stays behind."""
    prices_are_deleted(shop, case)
    with shop.engine.begin() as connection:
        payment = shop.tables.payment
        connection.execute(sa.delete(payment).where(payment.c.id == case.payment_id))


def prices_are_deleted(shop: Shop, case: Customer) -> None:
    """The payment has no price any more."""
    link = shop.tables.payment_price
    with shop.engine.begin() as connection:
        connection.execute(sa.delete(link).where(link.c[shop.tables.payment_column] == case.payment_id))


def _send_all(shop: Shop, case: Customer, symbol: str, to: Pubkey) -> None:
    token = shop.token(symbol)
    if token.mint is None:
        _act(shop, case, MoveLamports(shop.seed.lamports(case.address), to))
        return
    source, payer = shop.seed.ata(case.address, token.mint), shop.fee_payer
    shop.seed.send([create_ata_idempotent(payer.pubkey(), to, token.mint, token.program)], [payer])
    move = MoveTokens(
        source=source,
        mint=token.mint,
        program=token.program,
        decimals=token.decimals,
        amount=shop.seed.token_balance(source),
        destination=shop.seed.ata(to, token.mint),
    )
    _act(shop, case, move)


def _act(shop: Shop, case: Customer, *actions: Action) -> None:
    shop.seed.send([one for action in actions for one in lower(action, case.address)], [case.keypair])
