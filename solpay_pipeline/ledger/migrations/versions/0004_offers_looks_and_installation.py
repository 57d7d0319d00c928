"""What was asked of customers and when; what token accounts were opened with; when a wallet is looked at again; which
cluster and which receivers the ledger is bound to; an audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply. Offers are known from now on; every wallet that is over is due for a look."""
    op.create_table(
        "solpay_offer",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("payment_address", sa.String(length=44), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_offer")),
    )
    op.create_index("ix_solpay_offer_payment_address", "solpay_offer", ["payment_address"])
    op.create_table(
        "solpay_opening",
        sa.Column("account", sa.String(length=44), nullable=False),
        sa.Column("wallet_id", sa.BigInteger(), nullable=False),
        sa.Column("lamports", sa.Numeric(20, 0).with_variant(sa.String(20), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_solpay_opening")),
    )
    op.create_index(op.f("ix_solpay_opening_wallet_id"), "solpay_opening", ["wallet_id"])
    op.create_table(
        "solpay_watch",
        sa.Column("wallet_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", name=op.f("pk_solpay_watch")),
    )
    op.create_index(op.f("ix_solpay_watch_next_look_at"), "solpay_watch", ["next_look_at"])
    op.create_table(
        "solpay_cluster",
        sa.Column("genesis_hash", sa.String(length=44), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("genesis_hash", name=op.f("pk_solpay_cluster")),
    )
    op.create_table(
        "solpay_receiver",
        sa.Column("address", sa.String(length=44), nullable=False),
        sa.Column("allowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_solpay_receiver")),
    )
    op.create_table(
        "solpay_audit",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("operator", sa.String(length=120), nullable=False),
        sa.Column("host", sa.String(length=120), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_audit")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_solpay_audit_previous_hash")),
        sa.UniqueConstraint("hash", name=op.f("uq_solpay_audit_hash")),
    )


def downgrade() -> None:
    """Take back."""
    for table in (
        "solpay_audit",
        "solpay_receiver",
        "solpay_cluster",
        "solpay_watch",
        "solpay_opening",
        "solpay_offer",
    ):
        op.drop_table(table)
