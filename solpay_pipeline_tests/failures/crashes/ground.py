"""What must hold once everything is over, whatever died on the way."""

from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger.tables import leg, movement
from solpay_pipeline.localnet.chain.history import TransactionRecord
from solpay_pipeline_tests.shop import Customer, Shop

OVER = {"confirmed", "finalized"}
NEVER_LANDED = {"dead", "refused"}


def our_transactions(shop: Shop) -> list[TransactionRecord]:
    """Every transaction of the chain that our fee payer paid for."""
    payer = shop.deployment.fee_payer.pubkey
    return [record for record in shop.chain.history.newest_first(payer) if record.decoded.fee_payer == payer]


def lamports_of(shop: Shop, owners: Iterable[Pubkey]) -> int:
    """All lamports of these addresses and of their accounts for the accepted mints."""
    return sum(
        shop.seed.lamports(owner) + sum(shop.seed.lamports(shop.ata(owner, mint)) for mint in shop.mints)
        for owner in owners
    )


def everybody(shop: Shop, customers: Iterable[Customer]) -> list[Pubkey]:
    """The owners between whom the product moves lamports."""
    return [
        shop.deployment.receiver,
        shop.deployment.fee_payer.pubkey,
        *(customer.address for customer in customers),
    ]


def assert_ledger_complete(shop: Shop) -> None:
    """The ledger tells of every transaction of ours that is on chain, and knows of each whether it landed."""
    landed = {record.signature: record for record in our_transactions(shop)}
    rows = {row.signature: row for row in shop.transactions()}
    assert landed.keys() <= rows.keys(), "a transaction left that was not recorded"
    for signature, row in rows.items():
        assert row.state in OVER | NEVER_LANDED, f"{signature} is still {row.state}"
        assert (row.state in OVER) == (signature in landed), f"{signature} is {row.state}"
        if signature in landed:
            assert landed[signature].err is None
            assert row.fee == landed[signature].executed.fee
            assert row.wire == bytes(landed[signature].decoded.transaction)
    with reading(shop.deployment.engine) as connection:
        active = connection.execute(sa.select(leg.c.wallet_id).where(leg.c.active_wallet_id.is_not(None)))
        assert active.all() == []


def moved_by_ledger(shop: Shop) -> Counter[tuple[str, str | None, str]]:
    """Base units by kind, mint and destination, of what landed."""
    landed = [row.id for row in shop.transactions() if row.state in OVER]
    moves: Counter[tuple[str, str | None, str]] = Counter()
    with reading(shop.deployment.engine) as connection:
        query = sa.select(movement).join(leg).where(leg.c.transaction_id.in_(landed))
        for row in connection.execute(query):
            moves[row.kind, row.mint, row.destination] += row.amount
    return moves


def assert_told_once(shop: Shop, customers: Iterable[Customer], *kinds: str) -> None:
    """Each customer's events are these, each once, in this order."""
    for customer in customers:
        assert shop.kinds(customer) == list(kinds)
