"""Acceptances that are followed until the customer's transfer is final."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply. What was accepted before is not followed."""
    op.create_table(
        "solpay_followed",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("payment_address", sa.String(length=44), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("wallet_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=88), nullable=True),
        sa.Column("mint", sa.String(length=44), nullable=True),
        sa.Column("amount", sa.Numeric(20, 0).with_variant(sa.String(20), "sqlite"), nullable=False),
        sa.Column("seen_slot", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_in", sa.String(length=64), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_followed")),
        sa.UniqueConstraint("payment_address", name=op.f("uq_solpay_followed_payment_address")),
    )
    op.create_index("ix_solpay_followed_state_id", "solpay_followed", ["state", "id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("solpay_followed")
