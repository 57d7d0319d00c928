"""What customers, the peer, a thief or a broken disk do to one payment: small deeds that make up situations."""

from collections.abc import Callable

import sqlalchemy as sa
from cryptography.fernet import Fernet
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.instructions import create_ata_idempotent, lower
from solpay_pipeline.demo.shop import Case, Shop
from solpay_pipeline.demo.tokens import FEE_BASIS_POINTS
from solpay_pipeline.lifecycle.actions import Action, CloseAccount, MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState

Deed = Callable[[Shop, Case], None]


def pays(symbol: str, percent: int = 100, *, version: int = 0) -> Deed:
    """The customer sends so much of the price, rounded up."""

    def deed(shop: Shop, case: Case) -> None:
        shop.pay(case, symbol, -(-case.prices[symbol] * percent // 100), version=version)

    return deed


def pays_net(symbol: str) -> Deed:
    """The customer sends what leaves the whole price after the mint's transfer fee."""

    def deed(shop: Shop, case: Case) -> None:
        price = case.prices[symbol]
        gross = price * 10_000 // (10_000 - FEE_BASIS_POINTS)
        while gross - -(-gross * FEE_BASIS_POINTS // 10_000) < price:
            gross += 1
        shop.pay(case, symbol, gross)

    return deed


def receives(symbol: str, units: int) -> Deed:
    """Somebody sends base units, whatever the price."""

    def deed(shop: Shop, case: Case) -> None:
        shop.pay(case, symbol, units)

    return deed


def is_minted(symbol: str) -> Deed:
    """The mint's authority issues the price to the wallet, where a customer's transfer is not possible."""

    def deed(shop: Shop, case: Case) -> None:
        mint = shop.tokens[symbol].mint
        if mint is None:
            raise ValueError("nobody mints SOL")
        shop.seed.mint_to(case.address, mint, case.prices[symbol])

    return deed


def is_frozen(symbol: str) -> Deed:
    """The mint's authority freezes the wallet's account."""

    def deed(shop: Shop, case: Case) -> None:
        mint = shop.tokens[symbol].mint
        if mint is not None:
            shop.seed.freeze(shop.account(case.address, symbol), mint)

    return deed


def is_accepted(symbol: str, state: WalletState = WalletState.PROCESSING_PAYMENT) -> Deed:
    """The shop's verification noticed the payment; the wallet waits in `state` for its sweep."""

    def deed(shop: Shop, case: Case) -> None:
        signature = case.signatures[-1] if case.signatures else None
        shop.change_payment(
            case,
            status=PaymentStatus.CONFIRMED.value,
            paid_token_id=shop.tokens[symbol].row_id,
            signature=signature,
        )
        shop.change_wallet(case, state=state.value)

    return deed


def is_left(status: PaymentStatus, state: WalletState) -> Deed:
    """The peer left the two rows like this."""

    def deed(shop: Shop, case: Case) -> None:
        shop.change_payment(case, status=status.value)
        shop.change_wallet(case, state=state.value)

    return deed


def accounts_are_closed(shop: Shop, case: Case) -> None:
    """The peer closes the wallet's empty token accounts; their rent goes to the fee payer."""
    closes: list[Action] = []
    for symbol in case.prices:
        program = shop.tokens[symbol].program
        if program is not None:
            account = shop.account(case.address, symbol)
            closes.append(
                CloseAccount(account, program, shop.seed.lamports(account), shop.fee_payer.pubkey())
            )
    _act(shop, case, closes)


def goes_home(*symbols: str) -> Deed:
    """The peer's own sweep of these tokens lands."""
    return lambda shop, case: _send_all(shop, case, symbols, shop.receiver)


def goes_elsewhere(*symbols: str) -> Deed:
    """A hand that has the key sends these tokens to somebody else."""
    return lambda shop, case: _send_all(shop, case, symbols, shop.stranger)


def key_is_lost(shop: Shop, case: Case) -> None:
    """The row was sealed with a key that nobody has any more."""
    sealed = Fernet(Fernet.generate_key()).encrypt(case.keypair.to_json().encode()).decode()
    shop.change_wallet(case, keypair_json=sealed)


def key_is_plain(shop: Shop, case: Case) -> None:
    """The row holds the keypair in plain text, in a shop that encrypts."""
    shop.change_wallet(case, keypair_json=case.keypair.to_json())


def key_is_of_another(shop: Shop, case: Case) -> None:
    """The row holds the keypair of another address."""
    shop.change_wallet(case, keypair_json=shop.vault.seal(shop.new_keypair()))


def payment_is_deleted(shop: Shop, case: Case) -> None:
    """Somebody deletes the payment; its wallet stays behind."""
    prices_are_deleted(shop, case)
    with shop.engine.begin() as connection:
        payment = shop.tables.payment
        connection.execute(sa.delete(payment).where(payment.c.id == case.payment_id))


def prices_are_deleted(shop: Shop, case: Case) -> None:
    """The payment has no price any more."""
    tables = shop.tables
    with shop.engine.begin() as connection:
        link = tables.payment_price
        connection.execute(sa.delete(link).where(link.c[tables.payment_column] == case.payment_id))


def _send_all(shop: Shop, case: Case, symbols: tuple[str, ...], to: Pubkey) -> None:
    moves: list[Action] = []
    for symbol in symbols:
        token = shop.tokens[symbol]
        if token.mint is None or token.program is None:
            moves.append(MoveLamports(shop.seed.lamports(case.address), to))
            continue
        source = shop.account(case.address, symbol)
        payer = shop.fee_payer.pubkey()
        shop.seed.send([create_ata_idempotent(payer, to, token.mint, token.program)], [shop.fee_payer])
        moves.append(
            MoveTokens(
                source=source,
                mint=token.mint,
                program=token.program,
                decimals=token.decimals,
                amount=shop.seed.token_balance(source),
                destination=shop.account(to, symbol),
            )
        )
    _act(shop, case, moves)


def _act(shop: Shop, case: Case, actions: list[Action]) -> None:
    shop.seed.send(
        [instruction for action in actions for instruction in lower(action, case.address)], [case.keypair]
    )
