"""Writes tokens and payments as the peer's own code does, for the demo and wherever there is no Django.

A merchant's application makes its payments itself; nothing in the pipeline's operations writes here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from solders.keypair import Keypair
from sqlalchemy import Connection, MetaData, Table, insert

from solpay_pipeline.lifecycle.terms import PaymentStatus, WalletState
from solpay_pipeline.records.rows import NATIVE, SPL
from solpay_pipeline.records.schema import own_token_columns
from solpay_pipeline.records.tables import PRICE_COLUMN, TOKEN_TABLE, PeerTables
from solpay_pipeline.records.vault import WalletVault


def add_token(
    conn: Connection,
    tables: PeerTables,
    *,
    mint: str | None,
    price: Decimal,
    name: str,
    symbol: str,
    created: datetime | None = None,
) -> int:
    """Add an active token at a price in whole tokens, made now unless `created` is given; returns its id.

    `mint` None is native SOL. `name` and `symbol` are stored in the peer's own table, which has such columns.
    """
    created = created or datetime.now(UTC)
    values: dict[str, Any] = {
        "is_active": True,
        "token_type": NATIVE if mint is None else SPL,
        "mint_address": mint,
        "payment_crypto_price": price,
        "created": created,
        "updated": created,
    }
    table = tables.token
    if table.name == TOKEN_TABLE:
        table = _with_own_columns(table)
        values |= {"name": name, "symbol": symbol, "meta_data": {}}
    return _inserted(conn, table, values)


def add_payment(
    conn: Connection,
    tables: PeerTables,
    vault: WalletVault,
    keypair: Keypair,
    *,
    options: Mapping[int, Decimal],
    created: datetime,
    expires: datetime,
    status: PaymentStatus = PaymentStatus.INITIATED,
    wallet_state: WalletState = WalletState.CREATED,
) -> int:
    """Add a payment to the wallet of `keypair`, priced in whole tokens by token id; returns its id.

    Writes what the peer's `create_payment` writes (its services/solana_payments_service.py), but makes no
    account on chain.
    """
    stamps = {"created": created, "updated": created}
    wallet_id = _inserted(
        conn, tables.wallet, {"keypair_json": vault.seal(keypair), "state": wallet_state.value, **stamps}
    )
    payment_id = _inserted(
        conn,
        tables.payment,
        {
            "payment_address": str(keypair.pubkey()),
            "status": status.value,
            "expiration_date": expires,
            "meta_data": {},
            "one_time_payment_wallet_id": wallet_id,
            **stamps,
        },
    )
    for token_id, amount in options.items():
        price_id = _inserted(
            conn,
            tables.price,
            {"amount_in_crypto": amount, "token_id": token_id, "meta_data": {}, **stamps},
        )
        conn.execute(
            insert(tables.payment_price).values({tables.payment_column: payment_id, PRICE_COLUMN: price_id})
        )
    return payment_id


def _inserted(conn: Connection, table: Table, values: Mapping[str, Any]) -> int:
    identifier: int = conn.scalars(insert(table).values(**values).returning(table.c.id)).one()
    return identifier


def _with_own_columns(table: Table) -> Table:
    # A copy apart from the mapped table, whose columns stay those of the abstract model.
    wider = table.to_metadata(MetaData())
    for column in own_token_columns():
        wider.append_column(column)
    return wider
