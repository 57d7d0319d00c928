"""The versions of what was asked of customers, each kept as it was first seen.

A shop may edit prices, mints and times while a customer pays. What the customer saw is then no longer in the row.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
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

_REMEMBERED = 4_096


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


def remember_decimals(
    connection: Connection, payments: Iterable[Payment], decimals: Mapping[Pubkey, int]
) -> None:
    """Keep the decimals of the mints that each payment names now with its offer, where none are kept yet."""
    rows = [
        {
            "address": str(payment.address),
            "version": fingerprint(payment),
            "seen": {
                str(one.mint): decimals[one.mint]
                for one in payment.options
                if one.mint is not None and one.mint in decimals
            },
        }
        for payment in payments
    ]
    if rows:
        is_meant = (
            offer.c.payment_address == sa.bindparam("address"),
            offer.c.fingerprint == sa.bindparam("version"),
            offer.c.decimals.is_(None),
        )
        connection.execute(sa.update(offer).where(*is_meant).values(decimals=sa.bindparam("seen")), rows)


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
    return _birthmark(payment.id, payment.created_at) + _terms(payment.options, payment.expires_at)


def _identity(payment: Payment) -> tuple[str, str]:
    return str(payment.address), _birthmark(payment.id, payment.created_at)


# Each payment of a page is compared several times within a run.
@lru_cache(maxsize=_REMEMBERED)
def _birthmark(payment_id: int, created_at: datetime) -> str:
    return _digest(f"{payment_id} {created_at.isoformat()}")[:_BIRTHMARK]


@lru_cache(maxsize=_REMEMBERED)
def _terms(options: tuple[PaymentOption, ...], expires_at: datetime) -> str:
    named = [_options_json(options), expires_at.isoformat()]
    return _digest(json.dumps(named, sort_keys=True))[: _FINGERPRINT - _BIRTHMARK]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _with_earlier(payment: Payment, rows: Sequence[Any]) -> Payment:
    """The last version seen is the row's own, unless the row has changed since."""
    if not rows:
        return payment
    # Two runs at once may each have written the same version down.
    seen = [next(same) for _, same in groupby(rows, key=lambda row: row.fingerprint)]
    is_own = bool(seen) and seen[-1].fingerprint == fingerprint(payment)
    versions = seen[:-1] if is_own else seen
    starts = [None, *(row.seen_at for row in versions)]
    ends = [*(row.seen_at for row in seen[1:]), None]
    earlier = tuple(
        Offer(_with_decimals(_options(row.options), row), row.expires_at, row.seen_at, since, until)
        for row, since, until in zip(versions, starts, ends, strict=False)
    )
    own = _with_decimals(payment.options, seen[-1]) if is_own else payment.options
    return replace(payment, options=own, earlier=earlier)


def _with_decimals(options: Sequence[PaymentOption], row: Any) -> tuple[PaymentOption, ...]:
    decimals: Mapping[str, int] = row.decimals or {}
    return tuple(replace(one, seen_decimals=decimals.get(str(one.mint))) for one in options)


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
