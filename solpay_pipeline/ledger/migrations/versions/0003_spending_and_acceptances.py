"""Spending by day, with the rent that a transaction pays; who accepted a payment, and what the peer has told."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply. What earlier transactions paid for accounts is not known, and their days are over."""
    amount = sa.Numeric(20, 0).with_variant(sa.String(20), "sqlite")
    op.add_column("solpay_transaction", sa.Column("rent_paid", amount, server_default="0", nullable=False))
    op.create_index(op.f("ix_solpay_transaction_created_at"), "solpay_transaction", ["created_at"])
    op.create_table(
        "solpay_acceptance",
        sa.Column("payment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_solpay_acceptance")),
    )
    op.create_table(
        "solpay_peer_signal",
        sa.Column("payment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_solpay_peer_signal")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("solpay_peer_signal")
    op.drop_table("solpay_acceptance")
    op.drop_index(op.f("ix_solpay_transaction_created_at"), table_name="solpay_transaction")
    op.drop_column("solpay_transaction", "rent_paid")
