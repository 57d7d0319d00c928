"""Reads the peer's rows by keyset pages, within the caller's short transaction.

A page costs two queries, whatever its size: the rows, then all their prices. A row that cannot be understood
stands in its place as `UnreadableRow`, so that one bad row neither stops nor hides the others.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from solders.pubkey import Pubkey
from sqlalchemy import Connection, Select, and_, func, or_, select

from solpay_pipeline.base.sql import among
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.records.rows import PriceRow, UnreadableRow, WalletRow, wallet_of
from solpay_pipeline.records.tables import PRICE_COLUMN, PeerTables
from solpay_pipeline.records.vault import Sealed


def wallets_page(
    connection: Connection,
    tables: PeerTables,
    *,
    states: Collection[WalletState],
    after_wallet_id: int,
    limit: int,
    payment_ids: Collection[int] | None = None,
    payment_statuses: Collection[PaymentStatus] | None = None,
) -> list[Wallet | UnreadableRow]:
    """The next `limit` wallets in one of `states`, by wallet id, with their payments where there are any.

    The other conditions keep only wallets with a payment: one of `payment_ids`, or with one of `payment_statuses`.
    """
    wallet, payment = tables.wallet, tables.payment
    # SQLite would otherwise walk all rows by id, to have them in order, instead of using an index and sorting.
    place = wallet.c.id + 0 if connection.dialect.name == "sqlite" else wallet.c.id
    query = (
        _wallets(tables)
        .where(place > after_wallet_id, wallet.c.state.in_([state.value for state in states]))
        .order_by(place)
        .limit(limit)
    )
    if payment_ids is not None:
        query = query.where(among(connection, payment.c.id, payment_ids))
    if payment_statuses is not None:
        query = query.where(payment.c.status.in_([status.value for status in payment_statuses]))
    return read_wallets(connection, tables, query)


def due_page(
    connection: Connection,
    tables: PeerTables,
    *,
    now: datetime,
    after_payment_id: int,
    limit: int,
    payment_ids: Collection[int] | None = None,
) -> list[Wallet | UnreadableRow]:
    """The next `limit` wallets, by payment id, of initiated payments whose time is over at `now`."""
    payment = tables.payment
    query = (
        _payments(tables)
        .where(
            payment.c.id > after_payment_id,
            payment.c.status == PaymentStatus.INITIATED.value,
            payment.c.expiration_date < now,
        )
        .order_by(payment.c.id)
        .limit(limit)
    )
    if payment_ids is not None:
        query = query.where(among(connection, payment.c.id, payment_ids))
    return read_wallets(connection, tables, query)


def watched_page(
    connection: Connection,
    tables: PeerTables,
    *,
    after_payment_id: int,
    limit: int,
    expired_since: datetime,
) -> list[Wallet | UnreadableRow]:
    """The next `limit` wallets, by payment id, of payments that may still be paid.

    Those are initiated, or expired with their time over at `expired_since` or later.
    """
    payment = tables.payment
    may_be_paid = or_(
        payment.c.status == PaymentStatus.INITIATED.value,
        and_(
            payment.c.status == PaymentStatus.EXPIRED.value,
            payment.c.expiration_date >= expired_since,
        ),
    )
    query = (
        _payments(tables)
        .where(payment.c.id > after_payment_id, may_be_paid)
        .order_by(payment.c.id)
        .limit(limit)
    )
    return read_wallets(connection, tables, query)


def wallets_of_payments(
    connection: Connection, tables: PeerTables, payment_ids: Sequence[int]
) -> list[Wallet | UnreadableRow]:
    """The wallets of these payments in the order given; an id that no payment has is an UnreadableRow."""
    wanted = list(dict.fromkeys(payment_ids))
    rows = _rows(connection, _payments(tables).where(among(connection, tables.payment.c.id, wanted)))
    found = {
        row.payment_id: each for row, each in zip(rows, _with_prices(connection, tables, rows), strict=True)
    }
    return [
        found.get(payment_id) or UnreadableRow(None, payment_id, f"payment {payment_id} does not exist")
        for payment_id in wanted
    ]


def payment_ids_with_status(
    connection: Connection,
    tables: PeerTables,
    *,
    statuses: Collection[PaymentStatus],
    created_from: datetime | None = None,
    created_until: datetime | None = None,
    payment_ids: Collection[int] | None = None,
) -> Select[int]:
    """A select of the ids of payments in one of `statuses`, to be joined with other tables.

    Created at `created_from` or later and before `created_until`.
    """
    payment = tables.payment
    query: Select[int] = select(payment.c.id).where(
        payment.c.status.in_([status.value for status in statuses])
    )
    if created_from is not None:
        query = query.where(payment.c.created >= created_from)
    if created_until is not None:
        query = query.where(payment.c.created < created_until)
    if payment_ids is not None:
        query = query.where(among(connection, payment.c.id, payment_ids))
    return query


def wallets_without_payment(
    connection: Connection, tables: PeerTables, *, after_wallet_id: int, limit: int
) -> list[Wallet | UnreadableRow]:
    """The next `limit` wallets, by wallet id and in any state, that no payment points at."""
    wallet, payment = tables.wallet, tables.payment
    query = (
        _wallets(tables)
        .where(wallet.c.id > after_wallet_id, payment.c.id.is_(None))
        .order_by(wallet.c.id)
        .limit(limit)
    )
    return read_wallets(connection, tables, query)


def payments_of_one_address(
    connection: Connection, tables: PeerTables, addresses: Collection[Pubkey]
) -> list[int]:
    """Payments, by id, with one of these addresses that is another payment's as well."""
    payment = tables.payment
    listed = [str(one) for one in addresses]
    shared = (
        select(payment.c.payment_address)
        .where(among(connection, payment.c.payment_address, listed))
        .group_by(payment.c.payment_address)
        .having(func.count() > 1)
    )
    query = select(payment.c.id).where(payment.c.payment_address.in_(shared)).order_by(payment.c.id)
    return list(connection.scalars(query))


def payments_at_rest(
    connection: Connection,
    tables: PeerTables,
    *,
    states: Collection[WalletState],
    payment_ids: Collection[int] | None,
    without: Select[int],
) -> Select[int, int]:
    """A select of payments whose wallets are in one of `states`, each beside its wallet, but for those in `without`."""
    wallet, payment = tables.wallet, tables.payment
    query: Select[int, int] = (
        select(payment.c.id, wallet.c.id)
        .select_from(payment.join(wallet, payment.c.one_time_payment_wallet_id == wallet.c.id))
        .where(wallet.c.state.in_([state.value for state in states]), payment.c.id.not_in(without))
    )
    if payment_ids is not None:
        query = query.where(among(connection, payment.c.id, payment_ids))
    return query


def wallet_addresses_exist(
    connection: Connection, tables: PeerTables, addresses: Iterable[Pubkey | str]
) -> set[str]:
    """Those of `addresses` that are one-time wallets of ours, by the payments that name them."""
    address = tables.payment.c.payment_address
    return set(
        connection.scalars(
            select(address).where(among(connection, address, [str(each) for each in addresses]))
        )
    )


def token_mints(connection: Connection, tables: PeerTables, *, limit: int) -> list[Pubkey]:
    """Mints of the shop's first `limit` SPL tokens; an address that cannot be read is skipped."""
    token = tables.token.c
    texts = connection.scalars(
        select(token.mint_address).where(token.mint_address.is_not(None)).order_by(token.id).limit(limit)
    )
    mints = []
    for text in texts:
        # It is reported by the wallet that is to be paid in such a token.
        with suppress(ValueError):
            mints.append(Pubkey.from_string(str(text)))
    return mints


def sealed_keypairs(
    connection: Connection, tables: PeerTables, wallet_ids: Collection[int]
) -> dict[int, Sealed]:
    """The sealed keypairs of these wallets; a deleted wallet has none."""
    wallet = tables.wallet
    rows = connection.execute(
        select(wallet.c.id, wallet.c.keypair_json).where(among(connection, wallet.c.id, wallet_ids))
    )
    return {row.id: Sealed(row.id, row.keypair_json) for row in rows}


def sealed_page(
    connection: Connection, tables: PeerTables, *, after_wallet_id: int, limit: int
) -> list[tuple[Sealed, str | None]]:
    """The next `limit` sealed keypairs by wallet id, in any state, each with its payment's stored address."""
    wallet, payment = tables.wallet, tables.payment
    rows = connection.execute(
        select(wallet.c.id, wallet.c.keypair_json, payment.c.payment_address)
        .select_from(wallet.outerjoin(payment, payment.c.one_time_payment_wallet_id == wallet.c.id))
        .where(wallet.c.id > after_wallet_id)
        .order_by(wallet.c.id)
        .limit(limit)
    )
    return [(Sealed(row.id, row.keypair_json), row.payment_address) for row in rows]


def count_by_state(connection: Connection, tables: PeerTables) -> dict[WalletState, int]:
    """How many wallets are in each state, zeroes included; for other values see `unknown_values`."""
    counted = _counted(connection, tables.wallet.c.state)
    return {state: counted.get(state.value, 0) for state in WalletState}


def count_by_status(connection: Connection, tables: PeerTables) -> dict[PaymentStatus, int]:
    """How many payments have each status, zeroes included; for other values see `unknown_values`."""
    counted = _counted(connection, tables.payment.c.status)
    return {status: counted.get(status.value, 0) for status in PaymentStatus}


def unknown_values(connection: Connection, tables: PeerTables) -> dict[str, int]:
    """Counts of rows by a wallet state or payment status that the peer does not have; no page shows these rows."""
    states = _counted(connection, tables.wallet.c.state)
    statuses = _counted(connection, tables.payment.c.status)
    unknown = {
        f"wallet state {value!r}": count for value, count in states.items() if value not in set(WalletState)
    }
    unknown |= {
        f"payment status {value!r}": count
        for value, count in statuses.items()
        if value not in set(PaymentStatus)
    }
    return unknown


def _columns(tables: PeerTables) -> Select[Any]:
    """The columns of `WalletRow`."""
    wallet, payment = tables.wallet, tables.payment
    return select(
        wallet.c.id.label("wallet_id"),
        wallet.c.state,
        payment.c.id.label("payment_id"),
        payment.c.payment_address,
        payment.c.status,
        payment.c.created,
        payment.c.expiration_date,
        payment.c.paid_token_id,
        payment.c.signature,
    )


def _wallets(tables: PeerTables) -> Select[Any]:
    wallet, payment = tables.wallet, tables.payment
    return _columns(tables).select_from(
        wallet.outerjoin(payment, payment.c.one_time_payment_wallet_id == wallet.c.id)
    )


def _payments(tables: PeerTables) -> Select[Any]:
    wallet, payment = tables.wallet, tables.payment
    return _columns(tables).select_from(
        payment.outerjoin(wallet, payment.c.one_time_payment_wallet_id == wallet.c.id)
    )


def wallets_and_payments(tables: PeerTables) -> Select[Any]:
    """The columns of `WalletRow`, of payments that have a wallet."""
    wallet, payment = tables.wallet, tables.payment
    return _columns(tables).select_from(
        payment.join(wallet, payment.c.one_time_payment_wallet_id == wallet.c.id)
    )


def read_wallets(
    connection: Connection, tables: PeerTables, query: Select[Any], *, are_locked: bool = False
) -> list[Wallet | UnreadableRow]:
    """The wallets of a select of the columns of `WalletRow`, in its order.

    `are_locked`: prices and tokens are locked against changes, and those that another process holds are left out.
    """
    return _with_prices(connection, tables, _rows(connection, query), are_locked=are_locked)


def _rows(connection: Connection, query: Select[Any]) -> list[WalletRow]:
    return [WalletRow._make(row) for row in connection.execute(query).all()]


def _with_prices(
    connection: Connection, tables: PeerTables, rows: Sequence[WalletRow], *, are_locked: bool = False
) -> list[Wallet | UnreadableRow]:
    payment_ids = [row.payment_id for row in rows if row.payment_id is not None]
    link, price, token = tables.payment_price, tables.price, tables.token
    linked_payment = link.c[tables.payment_column]
    prices: defaultdict[int | None, list[PriceRow]] = defaultdict(list)
    if payment_ids:
        query = (
            select(
                linked_payment,
                price.c.id,
                price.c.amount_in_crypto,
                price.c.token_id,
                token.c.token_type,
                token.c.mint_address,
            )
            .select_from(
                link.join(price, price.c.id == link.c[PRICE_COLUMN]).join(
                    token, token.c.id == price.c.token_id, isouter=not are_locked
                )
            )
            .where(among(connection, linked_payment, payment_ids))
            .order_by(linked_payment, price.c.id)
        )
        if are_locked:
            query = query.with_for_update(read=True, of=[link, price, token], skip_locked=True)
        for each in map(PriceRow._make, connection.execute(query).all()):
            prices[each.payment_id].append(each)
    return [wallet_of(row, prices[row.payment_id]) for row in rows]


def _counted(connection: Connection, column: Any) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in rows}
