"""The invariant after every fault: nothing came into being, nothing was lost, nothing is said that the chain denies.

Per mint and for lamports: what came in is what went home, was withheld, or is still there; all of it by transactions
that the ledger knows. Money that stays has a stored reason. Every status has its evidence. All four operations once
more change nothing.
"""

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

from solders.pubkey import Pubkey

from solpay_pipeline.ledger.tables import MovementKind, TransactionState
from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline.lifecycle.terms import ACCEPTED, PaymentStatus, WalletState
from solpay_pipeline.localnet.chain.token_layout import read_mint, read_token_account
from solpay_pipeline_tests.failures.crashes.ground import moved_by_ledger, our_transactions
from solpay_pipeline_tests.money.books import (
    AT_REST,
    LANDED,
    assert_books_balance,
    assert_no_false_record,
    assert_nothing_more_happens,
    gain,
    moved,
)
from solpay_pipeline_tests.shop import Customer, Shop

_TRANSFER_FEE_CONFIG, _TRANSFER_FEE_AMOUNT = 1, 2
_OVER = {*LANDED, TransactionState.FAILED, TransactionState.DEAD, TransactionState.REFUSED}


def assert_all_is_well(
    shop: Shop,
    customers: Iterable[Customer],
    *,
    opened_by_others: Iterable[Pubkey] = (),
    **options: Any,
) -> None:
    """The whole invariant. `options` are those that the operations ran with."""
    customers = list(customers)
    assert_books_balance(shop, opened_by_others=opened_by_others, **options)
    assert_ledger_is_the_chain(shop)
    for customer in customers:
        _assert_conserved(shop, customer)
        _assert_evidence(shop, customer)
        _assert_explained(shop, customer)
    _assert_home(shop)
    assert_no_false_record(shop, customers)
    assert_nothing_more_happens(shop, **options)


def assert_ledger_is_the_chain(shop: Shop) -> None:
    """Every transaction of ours on chain was written down first, and the ledger says of each what became of it."""
    rows = {row.signature: row for row in shop.transactions()}
    on_chain = {record.signature: record for record in our_transactions(shop)}
    assert on_chain.keys() <= rows.keys(), "a transaction left that was not recorded"
    for signature, row in rows.items():
        state = TransactionState(row.state)
        assert state in _OVER, f"{signature} is still {state}"
        record = on_chain.get(signature)
        if state in LANDED:
            assert record is not None, f"{signature} is {state} and not on chain"
            assert record.err is None
        if record is not None and record.err is None:
            assert state in LANDED, f"{signature} landed and is called {state}"
        if state is TransactionState.FAILED:
            assert record is not None
            assert record.err is not None
        if record is not None and record.executed.fee:
            assert row.fee == record.executed.fee


def owned_accounts(shop: Shop, owner: Pubkey) -> dict[Pubkey, Pubkey]:
    """Every token account that the chain ever saw this owner have, and its mint."""
    found = {}
    for record in shop.chain.history.everything():
        for balance in (*record.executed.pre_token_balances, *record.executed.post_token_balances):
            if balance.owner == owner:
                found[record.decoded.keys[balance.account_index]] = balance.mint
    return found


def holdings(shop: Shop, owner: Pubkey) -> dict[Pubkey | None, int]:
    """Base units of everything at an owner, tokens that no payment names among it; zeroes left out."""
    held: Counter[Pubkey | None] = Counter({None: shop.seed.lamports(owner)})
    for account, mint in owned_accounts(shop, owner).items():
        held[mint] += shop.seed.token_balance(account)
    return {mint: amount for mint, amount in held.items() if amount}


def _assert_conserved(shop: Shop, customer: Customer) -> None:
    """What others brought, less what our ledger says was moved, is what is there."""
    owner, ours = customer.address, shop.deployment.fee_payer.pubkey
    net: Counter[str | None] = Counter()
    for record in shop.chain.history.everything():
        if record.decoded.fee_payer == ours:
            continue
        keys, executed = list(record.decoded.keys), record.executed
        if owner in keys:
            place = keys.index(owner)
            net[None] += executed.post_balances[place] - executed.pre_balances[place]
        for sign, balances in ((1, executed.post_token_balances), (-1, executed.pre_token_balances)):
            for balance in balances:
                if balance.owner == owner:
                    net[str(balance.mint)] += sign * balance.amount
    for mint, amount in moved(shop, customer).items():
        net[mint] -= amount
    there = {None if mint is None else str(mint): amount for mint, amount in holdings(shop, owner).items()}
    assert {mint: amount for mint, amount in net.items() if amount} == there


def _assert_home(shop: Shop) -> None:
    """The receiver has what the ledger says was sent to it, less what a mint withholds on the way."""
    sums: Counter[str | None] = Counter()
    withheld: Counter[str] = Counter()
    for (kind, mint, destination), amount in moved_by_ledger(shop).items():
        if kind in (MovementKind.LAMPORTS, MovementKind.TOKENS):
            sums[mint] += amount
            owner = shop.deployment.receiver
            wanted = owner if mint is None else shop.ata(owner, Pubkey.from_string(mint))
            assert destination == str(wanted), "money went elsewhere"
        elif kind == MovementKind.RENT:
            assert destination == str(shop.deployment.fee_payer.pubkey), "rent went elsewhere"
        elif kind == MovementKind.WITHHELD and mint is not None:
            withheld[mint] += amount
    assert gain(shop) == sums.pop(None, 0)
    for mint, amount in sums.items():
        assert mint is not None
        address = Pubkey.from_string(mint)
        assert gain(shop, address) + _withheld_at_receiver(shop, address) == amount
    for mint, amount in withheld.items():
        assert _withheld_at_mint(shop, Pubkey.from_string(mint)) == amount


def _assert_evidence(shop: Shop, customer: Customer) -> None:
    payment, wallet = shop.payment_row(customer), shop.wallet_row(customer)
    by_us = [
        event
        for event in shop.events(customer)
        if event.kind == "payment.accepted" and event.body.get("source") != "peer"
    ]
    if PaymentStatus(payment.status) in ACCEPTED and by_us:
        record = shop.chain.history.get(payment.signature)
        assert record is not None, "accepted by a transaction that is not there"
        assert record.err is None
        assert payment.paid_token_id is not None
    if wallet.state == WalletState.SENT_FUNDS:
        told = FindingCode.FOREIGN_MOVEMENT.value in shop.codes(customer)
        assert wallet.receiver_address == str(shop.deployment.receiver)
        assert told or moved(shop, customer), "sent funds, and nothing says by what"


def _assert_explained(shop: Shop, customer: Customer) -> None:
    """Money that is still there belongs to a live payment, or its reason stands in the findings."""
    held = {mint for mint in holdings(shop, customer.address) if mint in shop.tokens}
    if not held:
        return
    payment, state = shop.payment_row(customer), WalletState(shop.state(customer))
    assert state not in AT_REST, f"{state} and holds {held}"
    is_live = payment.status == PaymentStatus.INITIATED and payment.expiration_date >= shop.now()
    assert is_live or shop.codes(customer), "money that nobody speaks of"


def _withheld_at_receiver(shop: Shop, mint: Pubkey) -> int:
    found = shop.chain.accounts.newest(shop.ata(shop.deployment.receiver, mint))
    state = None if found is None else read_token_account(found.owner, found.data)
    return 0 if state is None else _amount(state.extensions, _TRANSFER_FEE_AMOUNT, 0)


def _withheld_at_mint(shop: Shop, mint: Pubkey) -> int:
    found = shop.chain.accounts.newest(mint)
    state = None if found is None else read_mint(found.owner, found.data)
    return 0 if state is None else _amount(state.extensions, _TRANSFER_FEE_CONFIG, 64)


def _amount(extensions: Iterable[tuple[int, bytes]], kind: int, offset: int) -> int:
    for found, content in extensions:
        if found == kind:
            (amount,) = struct.unpack_from("<Q", content, offset)
            return int(amount)
    return 0
