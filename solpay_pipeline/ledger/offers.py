"""The versions of what was asked of customers, each kept as it was first seen.

A shop may edit prices, mints and times while a customer pays. What the customer saw is then no longer in the row.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among
from solpay_pipeline.ledger.tables import offer
from solpay_pipeline.lifecycle.terms import Offer, Payment, PaymentOption

_FINGERPRINT, _BIRTHMARK = 32, 8
"""Characters of a fingerprint, and of those how many are its payment's own."""


def remember(connection: Connection, payments: Iterable[Payment], now: datetime) -> None:
    """Write down versions of offers that are other than the last ones seen; one that returns is a version anew."""
    rows = [
        {
            "payment_address": str(payment.address),
            "fingerprint": fingerprint(payment),
            "expires_at": payment.expires_at,
            "options": _options_json(payment.options),
            "seen_at": now,
        }
        for payment in payments
    ]
    if rows:
        connection.execute(sa.insert(offer), rows)


def with_earlier(connection: Connection, payments: Sequence[Payment]) -> list[Payment]:
    """The payments with the versions of their offers that were seen before, in the order given."""
    addresses = [str(payment.address) for payment in payments]
    rows = connection.execute(
        sa.select(offer)
        .where(among(connection, offer.c.payment_address, addresses))
        .order_by(offer.c.payment_address, offer.c.seen_at, offer.c.id)
    ).all()
    seen: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        seen.setdefault((row.payment_address, row.fingerprint[:_BIRTHMARK]), []).append(row)
    return [_with_earlier(payment, seen.get(_identity(payment), [])) for payment in payments]


def unseen(connection: Connection, payments: Sequence[Payment]) -> list[Payment]:
    """Those whose offer, as it stands now, is not the last that was written down."""
    addresses = [str(payment.address) for payment in payments]
    rows = connection.execute(
        sa.select(offer.c.payment_address, offer.c.fingerprint)
        .where(among(connection, offer.c.payment_address, addresses))
        .order_by(offer.c.seen_at, offer.c.id)
    )
    last = {(row.payment_address, row.fingerprint[:_BIRTHMARK]): row.fingerprint for row in rows}
    return [payment for payment in payments if last.get(_identity(payment)) != fingerprint(payment)]


def fingerprint(payment: Payment) -> str:
    """What tells one version from another: prices, mints, and until when.

    It begins with what tells two payments apart that share an address: id and time. Ids alone come back in restores.
    """
    _, birthmark = _identity(payment)
    named = [_options_json(payment.options), payment.expires_at.isoformat()]
    return birthmark + _digest(json.dumps(named, sort_keys=True))[: _FINGERPRINT - _BIRTHMARK]


def _identity(payment: Payment) -> tuple[str, str]:
    return str(payment.address), _digest(f"{payment.id} {payment.created_at.isoformat()}")[:_BIRTHMARK]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _with_earlier(payment: Payment, rows: Sequence[Any]) -> Payment:
    """The last version seen is the row's own, unless the row has changed since."""
    # Two runs at once may each have written the same version down.
    seen = [next(same) for _, same in groupby(rows, key=lambda row: row.fingerprint)]
    is_own = bool(seen) and seen[-1].fingerprint == fingerprint(payment)
    versions = seen[:-1] if is_own else seen
    starts = [None, *(row.seen_at for row in versions)]
    ends = [*(row.seen_at for row in seen[1:]), None]
    earlier = tuple(
        Offer(_options(row.options), row.expires_at, row.seen_at, since, until)
        for row, since, until in zip(versions, starts, ends, strict=False)
    )
    return replace(payment, earlier=earlier)


def _options_json(options: Sequence[PaymentOption]) -> list[list[str | None]]:
    """Prices as exact texts: a Decimal's trailing zeroes say nothing."""
    return sorted(
        [str(one.token_id), None if one.mint is None else str(one.mint), format(one.price.normalize(), "f")]
        for one in options
    )


def _options(stored: Sequence[Sequence[str | None]]) -> tuple[PaymentOption, ...]:
    return tuple(
        PaymentOption(
            int(token_id or 0), None if mint is None else Pubkey.from_string(mint), Decimal(price or 0)
        )
        for token_id, mint, price in stored
    )
