"""Settlements: what customers paid and where it went, per mint, in base units.

Integers of any size stand in columns of type object: a sum of unsigned 64-bit amounts fits no column type of pandas.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.summary import LANDED
from solpay_pipeline.ledger.tables import (
    MovementKind,
    TransactionState,
    event,
    finding,
    leg,
    movement,
    transaction,
)
from solpay_pipeline.lifecycle.findings import HELD, NOTICES
from solpay_pipeline.lifecycle.terms import ACCEPTED, SOL_DECIMALS, PaymentOption
from solpay_pipeline.records.tables import PRICE_COLUMN, PeerTables
from solpay_pipeline.reports.window import Window

SOL = "SOL"
"""Stands in the column `mint` for lamports."""

COLUMNS = ("accepted_payments", "accepted", "swept", "withheld", "rent_back", "fees", "held", "set_aside")

Sums = Counter[tuple[str, str]]


def settlements(
    connection: Connection, tables: PeerTables, window: Window, decimals: Mapping[str, int]
) -> pd.DataFrame:
    """One row for each mint of which anything is known.

    `accepted_payments` and `set_aside` are counts of payments and of wallets, all else base units: `accepted` is what
    came in for payments accepted in the window, by our event or by the peer (then its price, dated by the row's last
    change); `swept` went to the receiver, `withheld` to the mint as its transfer fee, `rent_back` to the fee payer,
    which paid `fees`; `held` and `set_aside` were first seen in the window. `decimals` is by mint, for showing amounts
    and for the peer's prices; a mint without is left out of those.
    """
    sums: Sums = Counter()
    for add in (_accepted_by_us, _accepted_by_peer, _moved, _fees, _found):
        for mint, column, amount in add(connection, tables, window, decimals):
            sums[mint, column] += amount
    mints = sorted({mint for mint, _ in sums} | set(decimals) | {SOL}, key=lambda mint: (mint != SOL, mint))
    rows = [
        {
            "mint": mint,
            "decimals": SOL_DECIMALS if mint == SOL else decimals.get(mint),
            **{column: sums[mint, column] for column in COLUMNS},
        }
        for mint in mints
    ]
    return pd.DataFrame(rows, columns=["mint", "decimals", *COLUMNS], dtype=object)


def known_mints(connection: Connection, tables: PeerTables) -> list[str]:
    """The mints that the shop takes or took."""
    mint = tables.token.c.mint_address
    return sorted(connection.scalars(sa.select(mint).where(mint.is_not(None))))


Sum = tuple[str, str, int]


def _accepted_by_us(
    connection: Connection, _tables: PeerTables, window: Window, _decimals: Mapping[str, int]
) -> Iterator[Sum]:
    rows = connection.scalars(
        sa.select(event.c.body).where(
            event.c.kind == EventKind.PAYMENT_ACCEPTED,
            event.c.created_at >= window.start,
            event.c.created_at < window.end,
        )
    )
    for body in rows:
        yield body["mint"], "accepted_payments", 1
        for mint, amount in body["received"].items():
            yield mint, "accepted", int(amount)


def _accepted_by_peer(
    connection: Connection, tables: PeerTables, window: Window, decimals: Mapping[str, int]
) -> Iterator[Sum]:
    payment, price, token = tables.payment, tables.price, tables.token
    link = tables.payment_price
    ours = sa.exists().where(event.c.payment_id == payment.c.id, event.c.kind == EventKind.PAYMENT_ACCEPTED)
    query = (
        sa.select(payment.c.id, token.c.id.label("token_id"), token.c.mint_address, price.c.amount_in_crypto)
        .select_from(
            payment.join(token, token.c.id == payment.c.paid_token_id)
            .join(link, link.c[tables.payment_column] == payment.c.id)
            .join(price, (price.c.id == link.c[PRICE_COLUMN]) & (price.c.token_id == token.c.id))
        )
        .where(
            payment.c.status.in_([status.value for status in ACCEPTED]),
            payment.c.updated >= window.start,
            payment.c.updated < window.end,
            ~ours,
        )
        .order_by(payment.c.id, price.c.id)
    )
    last = None
    for row in connection.execute(query):
        # The peer takes the first price of a token by id.
        if row.id == last:
            continue
        last = row.id
        mint = row.mint_address or SOL
        yield mint, "accepted_payments", 1
        places = SOL_DECIMALS if mint == SOL else decimals.get(mint)
        if places is not None and _is_amount(row.amount_in_crypto):
            option = PaymentOption(row.token_id, None, row.amount_in_crypto)
            yield mint, "accepted", option.base_units(places)


def _moved(
    connection: Connection, _tables: PeerTables, window: Window, _decimals: Mapping[str, int]
) -> Iterator[Sum]:
    column_of = {
        MovementKind.LAMPORTS: "swept",
        MovementKind.TOKENS: "swept",
        MovementKind.WITHHELD: "withheld",
        MovementKind.RENT: "rent_back",
    }
    rows = connection.execute(
        sa.select(movement.c.kind, movement.c.mint, movement.c.amount)
        .join(leg, leg.c.id == movement.c.leg_id)
        .join(transaction, transaction.c.id == leg.c.transaction_id)
        .where(_signed_in(window), transaction.c.state.in_(LANDED))
    )
    for kind, mint, amount in rows:
        yield mint or SOL, column_of[MovementKind(kind)], amount


def _fees(
    connection: Connection, _tables: PeerTables, window: Window, _decimals: Mapping[str, int]
) -> Iterator[Sum]:
    rows = connection.scalars(
        sa.select(transaction.c.fee).where(
            _signed_in(window), transaction.c.state.in_((*LANDED, TransactionState.FAILED))
        )
    )
    for fee in rows:
        yield SOL, "fees", fee


def _found(
    connection: Connection, _tables: PeerTables, window: Window, _decimals: Mapping[str, int]
) -> Iterator[Sum]:
    rows = connection.execute(
        sa.select(finding.c.code, finding.c.mint, finding.c.amount).where(
            finding.c.first_seen_at >= window.start,
            finding.c.first_seen_at < window.end,
            # What was held more of the same day is told by the row that took its place.
            sa.or_(finding.c.cleared_at.is_(None), finding.c.cleared_at >= window.end),
        )
    )
    for code, mint, amount in rows:
        if code in HELD:
            yield mint or SOL, "held", amount
        elif code not in NOTICES:
            yield mint or SOL, "set_aside", 1


def _signed_in(window: Window) -> sa.ColumnElement[bool]:
    return (transaction.c.created_at >= window.start) & (transaction.c.created_at < window.end)


def _is_amount(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value > 0
