"""The ledger, its findings and its outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "solpay_event",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("wallet_id", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_event")),
        sa.UniqueConstraint("event_id", name=op.f("uq_solpay_event_event_id")),
    )
    op.create_index(
        op.f("ix_solpay_event_delivered_at_id"), "solpay_event", ["delivered_at", "id"], unique=False
    )
    op.create_index(op.f("ix_solpay_event_payment_id"), "solpay_event", ["payment_id"], unique=False)
    op.create_index(
        op.f("ix_solpay_event_run_id_operation"), "solpay_event", ["run_id", "operation"], unique=False
    )

    op.create_table(
        "solpay_finding",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("standing_key", sa.String(length=120), nullable=True),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("wallet_id", sa.BigInteger(), nullable=True),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("mint", sa.String(length=44), nullable=True),
        sa.Column("amount", sa.Numeric(20, 0).with_variant(sa.String(20), "sqlite"), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_finding")),
        sa.UniqueConstraint("standing_key", name=op.f("uq_solpay_finding_standing_key")),
    )
    op.create_index(
        op.f("ix_solpay_finding_run_id_operation"), "solpay_finding", ["run_id", "operation"], unique=False
    )
    op.create_index(op.f("ix_solpay_finding_wallet_id"), "solpay_finding", ["wallet_id"], unique=False)

    op.create_table(
        "solpay_look",
        sa.Column("payment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_solpay_look")),
    )
    op.create_index(op.f("ix_solpay_look_looked_at"), "solpay_look", ["looked_at"], unique=False)

    op.create_table(
        "solpay_transaction",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("signature", sa.String(length=88), nullable=False),
        sa.Column("wire", sa.LargeBinary(), nullable=False),
        sa.Column("last_valid_block_height", sa.BigInteger(), nullable=False),
        sa.Column("blockhash_slot", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=24), nullable=False),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("signature_count", sa.Integer(), nullable=False),
        sa.Column("fee", sa.Numeric(20, 0).with_variant(sa.String(20), "sqlite"), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_transaction")),
        sa.UniqueConstraint("signature", name=op.f("uq_solpay_transaction_signature")),
    )
    op.create_index(
        op.f("ix_solpay_transaction_run_id_operation"),
        "solpay_transaction",
        ["run_id", "operation"],
        unique=False,
    )
    op.create_index(op.f("ix_solpay_transaction_state"), "solpay_transaction", ["state"], unique=False)

    op.create_table(
        "solpay_leg",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wallet_id", sa.BigInteger(), nullable=False),
        sa.Column("active_wallet_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["solpay_transaction.id"], name=op.f("fk_solpay_leg_transaction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_leg")),
        sa.UniqueConstraint("active_wallet_id", name=op.f("uq_solpay_leg_active_wallet_id")),
    )
    op.create_index(op.f("ix_solpay_leg_transaction_id"), "solpay_leg", ["transaction_id"], unique=False)
    op.create_index(op.f("ix_solpay_leg_wallet_id"), "solpay_leg", ["wallet_id"], unique=False)

    op.create_table(
        "solpay_movement",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("leg_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("mint", sa.String(length=44), nullable=True),
        sa.Column("amount", sa.Numeric(20, 0).with_variant(sa.String(20), "sqlite"), nullable=False),
        sa.Column("source", sa.String(length=44), nullable=False),
        sa.Column("destination", sa.String(length=44), nullable=False),
        sa.ForeignKeyConstraint(["leg_id"], ["solpay_leg.id"], name=op.f("fk_solpay_movement_leg_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_movement")),
    )
    op.create_index(op.f("ix_solpay_movement_leg_id"), "solpay_movement", ["leg_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_solpay_movement_leg_id"), table_name="solpay_movement")

    op.drop_table("solpay_movement")
    op.drop_index(op.f("ix_solpay_leg_wallet_id"), table_name="solpay_leg")
    op.drop_index(op.f("ix_solpay_leg_transaction_id"), table_name="solpay_leg")

    op.drop_table("solpay_leg")
    op.drop_index(op.f("ix_solpay_transaction_state"), table_name="solpay_transaction")
    op.drop_index(op.f("ix_solpay_transaction_run_id_operation"), table_name="solpay_transaction")

    op.drop_table("solpay_transaction")
    op.drop_index(op.f("ix_solpay_look_looked_at"), table_name="solpay_look")

    op.drop_table("solpay_look")
    op.drop_index(op.f("ix_solpay_finding_wallet_id"), table_name="solpay_finding")
    op.drop_index(op.f("ix_solpay_finding_run_id_operation"), table_name="solpay_finding")

    op.drop_table("solpay_finding")
    op.drop_index(op.f("ix_solpay_event_run_id_operation"), table_name="solpay_event")
    op.drop_index(op.f("ix_solpay_event_payment_id"), table_name="solpay_event")
    op.drop_index(op.f("ix_solpay_event_delivered_at_id"), table_name="solpay_event")

    op.drop_table("solpay_event")
