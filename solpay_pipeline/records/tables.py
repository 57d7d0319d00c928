"""The peer's five tables as Django names them (its models.py and migrations, 1.0.0).

A merchant may replace the payment and token models with own ones. Of these only the columns of the peer's abstract
models are mapped: other columns are never read or written.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    MetaData,
    String,
    Table,
)

from solpay_pipeline.base.errors import NeedsOperator
from solpay_pipeline.records.columns import BIG_ID, Amount, Json, Moment

PAYMENT_TABLE = "django_solana_payments_solanapayment"
TOKEN_TABLE = "django_solana_payments_paymentcryptotoken"  # noqa: S105 - a table, no password
WALLET_TABLE = "django_solana_payments_onetimepaymentwallet"
PRICE_TABLE = "django_solana_payments_solanapaypaymentcryptoprice"
PRICE_COLUMN = "solanapaypaymentcryptoprice_id"
"""The column of the many-to-many table that points at a price."""


class BadTableName(NeedsOperator, ValueError):
    """A payment or token table name that Django cannot have made."""


@dataclass(frozen=True, slots=True)
class PeerTables:
    """The mapped tables; `payment_column` is the column of `payment_price` that points at the payment."""

    metadata: MetaData
    payment: Table
    wallet: Table
    token: Table
    price: Table
    payment_price: Table
    payment_column: str

    @property
    def all(self) -> tuple[Table, ...]:
        """Every table, referenced ones first."""
        return (self.wallet, self.token, self.price, self.payment, self.payment_price)


def peer_tables(payment_table: str = PAYMENT_TABLE, token_table: str = TOKEN_TABLE) -> PeerTables:
    """Map the peer's tables, the payment and token tables by the names of the merchant's own models.

    The many-to-many table is `<payment_table>_crypto_prices`, its column `<model>_id`, where the model is
    what follows the last underscore: Django names a table `<app_label>_<model in lower case>`.

    Raises BadTableName.
    """
    model = _model_of(payment_table, "payment")
    _model_of(token_table, "token")
    metadata = MetaData()
    payment_column = f"{model}_id"
    return PeerTables(
        metadata=metadata,
        payment=Table(payment_table, metadata, *payment_columns()),
        wallet=Table(WALLET_TABLE, metadata, *wallet_columns()),
        token=Table(token_table, metadata, *token_columns()),
        price=Table(PRICE_TABLE, metadata, *price_columns()),
        payment_price=Table(
            f"{payment_table}_crypto_prices", metadata, *payment_price_columns(payment_column)
        ),
        payment_column=payment_column,
    )


def wallet_columns() -> tuple[Column[Any], ...]:
    """`OneTimePaymentWallet`."""
    return (
        _id(),
        Column("keypair_json", Json, nullable=False),
        Column("state", String(50), nullable=False),
        Column("receiver_address", String(60)),
        Column("created", Moment, nullable=False),
        Column("updated", Moment, nullable=False),
    )


def token_columns() -> tuple[Column[Any], ...]:
    """`AbstractPaymentToken`."""
    return (
        _id(),
        Column("is_active", Boolean, nullable=False),
        Column("token_type", String(15), nullable=False),
        Column("mint_address", String(64), unique=True),
        Column("payment_crypto_price", Amount, nullable=False),
        Column("created", Moment, nullable=False),
        Column("updated", Moment, nullable=False),
    )


def price_columns() -> tuple[Column[Any], ...]:
    """`SolanaPayPaymentCryptoPrice`."""
    return (
        _id(),
        Column("amount_in_crypto", Amount, nullable=False),
        Column("meta_data", Json, nullable=False),
        Column("created", Moment, nullable=False),
        Column("updated", Moment, nullable=False),
        Column("token_id", BigInteger, nullable=False),
    )


def payment_columns() -> tuple[Column[Any], ...]:
    """`AbstractSolanaPayment`."""
    return (
        _id(),
        Column("payment_address", String(60), nullable=False),
        Column("status", String(10), nullable=False),
        Column("signature", String(255)),
        Column("expiration_date", Moment, nullable=False),
        Column("meta_data", Json),
        Column("created", Moment, nullable=False),
        Column("updated", Moment, nullable=False),
        Column("one_time_payment_wallet_id", BigInteger, nullable=False, unique=True),
        Column("paid_token_id", BigInteger),
    )


def payment_price_columns(payment_column: str) -> tuple[Column[Any], ...]:
    """The many-to-many table of `crypto_prices`."""
    return (
        _id(),
        Column(payment_column, BigInteger, nullable=False),
        Column(PRICE_COLUMN, BigInteger, nullable=False),
    )


def _id() -> Column[Any]:
    return Column("id", BIG_ID, Identity(always=False), primary_key=True)


def _model_of(table: str, kind: str) -> str:
    app, _, model = table.rpartition("_")
    if not app or not model or not table.replace("_", "").isalnum():
        raise BadTableName(
            f"the {kind} table {table!r} is not named as Django names one: <app_label>_<model>"
        )
    return model
