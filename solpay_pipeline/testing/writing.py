"""Writes tokens and payments as the peer's own code does, wherever there is no Django.

A merchant's application makes its payments itself; nothing in the pipeline's operations writes here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from sqlalchemy import Connection, MetaData, Table, insert

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.records.rows import NATIVE, SPL
from solpay_pipeline.records.schema import own_token_columns
from solpay_pipeline.records.tables import PRICE_COLUMN, TOKEN_TABLE, PeerTables
from solpay_pipeline.records.vault import WalletVault


class Ids(NamedTuple):
    """The rows of a payment."""

    payment: int
    wallet: int


@dataclass(frozen=True, slots=True)
class Row:
    """A payment that is written with many others, whose wallet nobody has to open."""

    address: Pubkey
    created: datetime
    expires: datetime
    status: PaymentStatus = PaymentStatus.INITIATED
    state: WalletState = WalletState.CREATED


def add_token(
    connection: Connection,
    tables: PeerTables,
    *,
    mint: str | None,
    price: Decimal,
    symbol: str,
    created: datetime | None = None,
) -> int:
    """Add an active token at a price in whole tokens, made now unless `created` is given; returns its id.

    `mint` None is native SOL. `symbol` is stored in the peer's own table, which has columns for it and for a name.
    """
    values: dict[str, Any] = {
        "is_active": True,
        "token_type": NATIVE if mint is None else SPL,
        "mint_address": mint,
        "payment_crypto_price": price,
        **_stamps(created or datetime.now(UTC)),
    }
    table = tables.token
    if table.name == TOKEN_TABLE:
        table = _with_own_columns(table)
        values |= {"name": symbol, "symbol": symbol, "meta_data": {}}
    return _inserted(connection, table, values)


def add_payment(
    connection: Connection,
    tables: PeerTables,
    vault: WalletVault,
    keypair: Keypair,
    *,
    options: Mapping[int, Decimal],
    created: datetime,
    expires: datetime,
    status: PaymentStatus = PaymentStatus.INITIATED,
    state: WalletState = WalletState.CREATED,
) -> Ids:
    """Add a payment to the wallet of `keypair`, priced in whole tokens by token id.

    Writes what the peer's `create_payment` writes (its services/solana_payments_service.py), but makes no
    account on chain.
    """
    row = Row(keypair.pubkey(), created, expires, status, state)
    wallet_id = _inserted(connection, tables.wallet, _wallet(row, vault.seal(keypair)))
    payment_id = _inserted(connection, tables.payment, _payment(row, wallet_id))
    for token_id, amount in options.items():
        price_id = _inserted(connection, tables.price, _price(token_id, amount, created))
        connection.execute(insert(tables.payment_price).values(_link(tables, payment_id, price_id)))
    return Ids(payment_id, wallet_id)


def add_rows(
    connection: Connection,
    tables: PeerTables,
    rows: Sequence[Row],
    options: Mapping[int, Decimal],
    first_id: int,
) -> None:
    """Add payments together, each with the same prices. Their ids and their wallets' count up from `first_id`; rows
    that are made without an id afterwards may collide with them on PostgreSQL.
    """
    numbered = list(enumerate(rows, start=first_id))
    connection.execute(
        insert(tables.wallet), [{"id": one, **_wallet(row, "sealed")} for one, row in numbered]
    )
    connection.execute(insert(tables.payment), [{"id": one, **_payment(row, one)} for one, row in numbered])
    for place, (token_id, amount) in enumerate(options.items()):
        ids = {one: one * len(options) + place for one, _ in numbered}
        prices = [{"id": ids[one], **_price(token_id, amount, row.created)} for one, row in numbered]
        connection.execute(insert(tables.price), prices)
        connection.execute(insert(tables.payment_price), [_link(tables, *pair) for pair in ids.items()])


def _wallet(row: Row, sealed: str) -> dict[str, Any]:
    return {"keypair_json": sealed, "state": row.state.value, **_stamps(row.created)}


def _payment(row: Row, wallet_id: int) -> dict[str, Any]:
    return {
        "payment_address": str(row.address),
        "status": row.status.value,
        "expiration_date": row.expires,
        "meta_data": {},
        "one_time_payment_wallet_id": wallet_id,
        **_stamps(row.created),
    }


def _price(token_id: int, amount: Decimal, created: datetime) -> dict[str, Any]:
    return {"amount_in_crypto": amount, "token_id": token_id, "meta_data": {}, **_stamps(created)}


def _link(tables: PeerTables, payment_id: int, price_id: int) -> dict[str, int]:
    return {tables.payment_column: payment_id, PRICE_COLUMN: price_id}


def _stamps(created: datetime) -> dict[str, datetime]:
    return {"created": created, "updated": created}


def _inserted(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    identifier: int = connection.scalars(insert(table).values(**values).returning(table.c.id)).one()
    return identifier


def _with_own_columns(table: Table) -> Table:
    # A copy apart from the mapped table, whose columns stay those of the abstract model.
    wider = table.to_metadata(MetaData())
    for column in own_token_columns():
        wider.append_column(column)
    return wider
