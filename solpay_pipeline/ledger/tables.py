"""The pipeline's own tables, `solpay_*`. They name peer rows by id only, so that the peer's tables stay as they are.

`solpay_leg.active_wallet_id` is the lock: set while a wallet's leg is in flight, null otherwise, and unique. It works
on SQLite, PostgreSQL and MySQL, none of which treats nulls as equal.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class TransactionState(StrEnum):
    """How far a signed transaction is."""

    RECORDED = "recorded"
    """In the ledger; it may be on its way, landed, or neither."""
    CONFIRMED = "confirmed"
    """Landed at the commitment asked for, applied, not final yet."""
    FINALIZED = "finalized"
    FAILED = "failed"
    """Finalized with an error; only the fee was taken."""
    REFUSED = "refused"
    """The node's preflight refused it on the first send: it never left."""
    DEAD = "dead"
    """Its blockhash is over and no finalized block holds it (docs/solana.md#when-a-signature-is-dead)."""


OPEN = (TransactionState.RECORDED, TransactionState.CONFIRMED)


class Purpose(StrEnum):
    """What a transaction is for."""

    SWEEP = "sweep"
    RECLAIM = "reclaim"
    PREPARE_RECEIVER = "prepare_receiver"
    """Opens token accounts of the receiver."""


class MovementKind(StrEnum):
    """What a leg moves."""

    LAMPORTS = "lamports"
    TOKENS = "tokens"
    RENT = "rent"
    WITHHELD = "withheld"


class BaseUnits(sa.TypeDecorator[int]):
    """An exact unsigned 64-bit amount: a signed BIGINT is too small, and SQLite has no wider integer."""

    impl = sa.Numeric(20, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Text on SQLite, NUMERIC(20, 0) elsewhere."""
        return dialect.type_descriptor(sa.String(20) if dialect.name == "sqlite" else sa.Numeric(20, 0))

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> Any:
        """Store an int."""
        if value is None:
            return None
        return str(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> int | None:
        """Give an int back."""
        return None if value is None else int(value)


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps it as naive UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse naive times."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Always aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only in an INTEGER primary key.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _ID, primary_key=True, autoincrement=True)


transaction = sa.Table(
    "solpay_transaction",
    metadata,
    _id(),
    sa.Column("signature", sa.String(88), nullable=False, unique=True),
    sa.Column("wire", sa.LargeBinary, nullable=False),
    sa.Column("last_valid_block_height", sa.BigInteger, nullable=False),
    sa.Column("blockhash_slot", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("purpose", sa.String(24), nullable=False),
    sa.Column("operation", sa.String(16), nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("signature_count", sa.Integer, nullable=False),
    sa.Column("fee", BaseUnits, nullable=False),
    # For accounts that it opens at the fee payer's expense, if it lands.
    sa.Column("rent_paid", BaseUnits, nullable=False, server_default="0"),
    sa.Column("slot", sa.BigInteger),
    sa.Column("error", sa.Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index(None, "state"),
    sa.Index(None, "run_id", "operation"),
    sa.Index(None, "created_at"),
)

leg = sa.Table(
    "solpay_leg",
    metadata,
    _id(),
    sa.Column("transaction_id", _ID, sa.ForeignKey(transaction.c.id), nullable=False, index=True),
    sa.Column("wallet_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("active_wallet_id", sa.BigInteger, unique=True),
)

movement = sa.Table(
    "solpay_movement",
    metadata,
    _id(),
    sa.Column("leg_id", _ID, sa.ForeignKey(leg.c.id), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("mint", sa.String(44)),
    sa.Column("amount", BaseUnits, nullable=False),
    sa.Column("source", sa.String(44), nullable=False),
    sa.Column("destination", sa.String(44), nullable=False),
)

event = sa.Table(
    "solpay_event",
    metadata,
    _id(),
    sa.Column("event_id", sa.String(40), nullable=False, unique=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("payment_id", sa.BigInteger, index=True),
    sa.Column("wallet_id", sa.BigInteger),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("operation", sa.String(16), nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    # When the last sink had taken it; or, where one has given up and none is left to try, when that was seen.
    sa.Column("delivered_at", Moment),
    sa.Column("dead_at", Moment),
    sa.Index(None, "run_id", "operation"),
    sa.Index(None, "delivered_at", "id"),
)

delivery = sa.Table(
    "solpay_delivery",
    metadata,
    _id(),
    sa.Column("event_row", _ID, sa.ForeignKey(event.c.id), nullable=False),
    sa.Column("payment_id", sa.BigInteger),
    sa.Column("sink", sa.String(200), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt_at", Moment, nullable=False),
    # Who is sending it now, and until when no other process may.
    sa.Column("claim", sa.String(32)),
    sa.Column("claimed_until", Moment),
    sa.Column("last_error", sa.Text),
    # Parts of the sink that have not taken it yet, where the sink knows.
    sa.Column("remaining", sa.JSON(none_as_null=True)),
    # Taken or given up: nothing more is tried.
    sa.Column("ended_at", Moment),
    sa.Column("outcome", sa.String(16)),
    sa.UniqueConstraint("event_row", "sink"),
    sa.Index(None, "sink", "ended_at", "event_row"),
    sa.Index(None, "payment_id", "sink"),
)

finding = sa.Table(
    "solpay_finding",
    metadata,
    _id(),
    # Unique while the finding stands, null once it is cleared, so that a wallet may have it again.
    sa.Column("standing_key", sa.String(120), unique=True),
    sa.Column("code", sa.String(32), nullable=False),
    sa.Column("wallet_id", sa.BigInteger, index=True),
    sa.Column("payment_id", sa.BigInteger),
    sa.Column("mint", sa.String(44)),
    sa.Column("amount", BaseUnits, nullable=False),
    sa.Column("explanation", sa.Text, nullable=False),
    sa.Column("operation", sa.String(16), nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("first_seen_at", Moment, nullable=False),
    sa.Column("last_seen_at", Moment, nullable=False),
    sa.Column("cleared_at", Moment),
    sa.Index(None, "run_id", "operation"),
)

# What was asked of customers, each version as it was first seen: shops edit prices, mints and times. By address, since
# ids of rows come back after a restore.
offer = sa.Table(
    "solpay_offer",
    metadata,
    _id(),
    sa.Column("payment_address", sa.String(44), nullable=False),
    sa.Column("fingerprint", sa.String(32), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Index("ix_solpay_offer_payment_address", "payment_address"),
)

# What token accounts were opened with, where their lamports alone do not tell; read once.
opening = sa.Table(
    "solpay_opening",
    metadata,
    sa.Column("account", sa.String(44), primary_key=True),
    sa.Column("wallet_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("lamports", BaseUnits, nullable=False),
)

# What finalized transactions did, of wallets that many name; each is read once.
known_effect = sa.Table(
    "solpay_known_effect",
    metadata,
    sa.Column("address", sa.String(44), primary_key=True),
    sa.Column("signature", sa.String(88), primary_key=True),
    sa.Column("content", sa.JSON, nullable=False),
)

# When a wallet whose payment is over is to be looked at again.
watch = sa.Table(
    "solpay_watch",
    metadata,
    sa.Column("wallet_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("next_look_at", Moment, nullable=False, index=True),
)

# The one cluster that this ledger tells of, by its genesis hash.
cluster = sa.Table(
    "solpay_cluster",
    metadata,
    sa.Column("genesis_hash", sa.String(44), primary_key=True),
    sa.Column("bound_at", Moment, nullable=False),
)

# The addresses at which money is home. Rows stay: what went to a receiver before it was revoked went home.
receiver = sa.Table(
    "solpay_receiver",
    metadata,
    sa.Column("address", sa.String(44), primary_key=True),
    sa.Column("allowed_at", Moment, nullable=False),
    # From when on money is sent to it.
    sa.Column("effective_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
)

# Who did what to the installation. Append-only; each row has the hash of the one before.
audit_entry = sa.Table(
    "solpay_audit",
    metadata,
    _id(),
    sa.Column("at", Moment, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(120), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("operator", sa.String(120), nullable=False),
    sa.Column("host", sa.String(120), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
)

look = sa.Table(
    "solpay_look",
    metadata,
    sa.Column("payment_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("looked_at", Moment, nullable=False, index=True),
)

# Which payments are known to be accepted, and by whom: the lock that gives each acceptance one event.
acceptance = sa.Table(
    "solpay_acceptance",
    metadata,
    sa.Column("payment_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
)

# Payments whose acceptance the peer's own signal has reported; written by our Django app in the shop's processes.
peer_signal = sa.Table(
    "solpay_peer_signal",
    metadata,
    sa.Column("payment_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sent_at", Moment, nullable=False),
)
