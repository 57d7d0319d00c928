"""What must hold in every shop, whatever happened to it: nothing is marked done that is not, and the books balance."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import MovementKind, TransactionState, leg, movement, transaction
from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline_tests.shop import FEE_PAYER_LAMPORTS, SOL, Customer, Shop

USUAL = ("recheck", "expire", "sweep", "reclaim")
"""What a merchant's schedules run."""

LANDED = (TransactionState.CONFIRMED, TransactionState.FINALIZED)
AT_REST = {WalletState.SENT_FUNDS, WalletState.CLOSED}
SHUT = {WalletState.PAYMENT_EXPIRED, WalletState.CLOSED}


def run_all(shop: Shop, order: Iterable[str] = USUAL, **options: Any) -> list[Outcome]:
    return [shop.run(operation, **options) for operation in order]


def gain(shop: Shop, mint: Pubkey | None = None) -> int:
    """Base units that the receiver has more than in the beginning."""
    return shop.received(mint) - (SOL if mint is None else 0)


def on_chain(shop: Shop, customer: Customer) -> dict[Pubkey | None, int]:
    """Base units at a wallet, zeroes left out."""
    held: dict[Pubkey | None, int] = {None: shop.seed.lamports(customer.address)}
    held.update({mint: shop.tokens_of(customer.address, mint) for mint in shop.mints})
    return {mint: amount for mint, amount in held.items() if amount}


def open_accounts(shop: Shop, customer: Customer) -> int:
    return sum(shop.has_account(customer, mint) for mint in shop.mints)


def snapshot(shop: Shop) -> dict[str, object]:
    """All that a person or a program could see of the shop, save when somebody last looked, and what became final since."""
    tables = shop.deployment.tables
    with reading(shop.deployment.engine) as connection:
        rows = {
            table.name: connection.execute(sa.select(table).order_by(table.c.id)).all()
            for table in (tables.payment, tables.wallet)
        }
    return {
        **rows,
        "events": [
            (event.event_id, event.kind, event.payment_id, event.body)
            for event in shop.events()
            if event.kind != "payment.finalized"
        ],
        "findings": [(one.finding, one.first_seen_at) for one in shop.findings()],
        "transactions": [(one.signature, one.fee) for one in shop.transactions()],
        "receiver": {mint: shop.received(mint) for mint in shop.tokens},
        "fee payer": shop.seed.lamports(shop.deployment.fee_payer.pubkey),
    }


def assert_nothing_more_happens(shop: Shop, **options: Any) -> None:
    """All four operations once more change nothing."""
    shop.finalize_chain()
    before = snapshot(shop)
    run_all(shop, **options)
    shop.settle_chain()
    assert snapshot(shop) == before


def assert_no_false_record(shop: Shop, customers: Iterable[Customer]) -> None:
    """No wallet is called done that holds anything, and no live payment's wallet is shut."""
    for customer in customers:
        state, payment = WalletState(shop.state(customer)), shop.payment_row(customer)
        if state in AT_REST:
            assert on_chain(shop, customer) == {}, f"{state} but it holds money"
            assert open_accounts(shop, customer) == 0, f"{state} but its accounts are open"
        if payment.status == PaymentStatus.INITIATED and payment.expiration_date > shop.now():
            assert state not in SHUT, f"{state} while the payment is live"


def assert_books_balance(shop: Shop, *, opened_by_others: Iterable[Pubkey] = (), **options: Any) -> None:
    """What left the fee payer is fees and the rent of the receiver's accounts; what came is the rent of wallets.

    `opened_by_others` are mints whose account of the receiver somebody else opened.
    """
    shop.finalize_chain()
    shop.run("sweep", **options)
    rows = _landed(shop)
    rent = sum(amount for kind, _, _, amount in rows if kind == MovementKind.RENT)
    fees = sum(
        one.fee
        for one in shop.transactions()
        if TransactionState(one.state) in (*LANDED, TransactionState.FAILED)
    )
    opened = sum(
        shop.seed.lamports(shop.ata(shop.deployment.receiver, mint))
        # Of wrapped SOL the lamports are the tokens; the rest is the rent.
        - (shop.received(mint) if mint == NATIVE_MINT else 0)
        for mint in set(shop.mints) - set(opened_by_others)
    )
    assert shop.seed.lamports(shop.deployment.fee_payer.pubkey) == FEE_PAYER_LAMPORTS - fees - opened + rent


def moved(shop: Shop, customer: Customer) -> dict[str | None, int]:
    """Base units that our landed transactions took from a wallet to the receiver, by mint."""
    sums: Counter[str | None] = Counter()
    for kind, wallet_id, mint, amount in _landed(shop):
        if wallet_id == customer.wallet_id and kind in (MovementKind.LAMPORTS, MovementKind.TOKENS):
            sums[mint] += amount
    return dict(sums)


def assert_swept(shop: Shop, customer: Customer, status: PaymentStatus = PaymentStatus.CONFIRMED) -> None:
    """Accepted, empty, closed, and its row says so."""
    assert (shop.status(customer), shop.state(customer)) == (status, WalletState.SENT_FUNDS)
    assert shop.wallet_row(customer).receiver_address == str(shop.deployment.receiver)
    assert on_chain(shop, customer) == {}
    assert open_accounts(shop, customer) == 0


def assert_closed(shop: Shop, customer: Customer) -> None:
    """Expired, empty, closed, and its row says so."""
    assert (shop.status(customer), shop.state(customer)) == (PaymentStatus.EXPIRED, WalletState.CLOSED)
    assert on_chain(shop, customer) == {}
    assert open_accounts(shop, customer) == 0


def _landed(shop: Shop) -> list[tuple[str, int, str | None, int]]:
    query = (
        sa.select(movement.c.kind, leg.c.wallet_id, movement.c.mint, movement.c.amount)
        .join(leg, leg.c.id == movement.c.leg_id)
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .where(transaction.c.state.in_(LANDED))
    )
    with reading(shop.deployment.engine) as connection:
        return [tuple(row) for row in connection.execute(query)]
