"""Deliveries: what each sink has taken of the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOVED = ("attempts", "next_attempt_at", "last_error")


def upgrade() -> None:
    """Apply."""
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "solpay_delivery",
        sa.Column("id", row_id, autoincrement=True, nullable=False),
        sa.Column("event_row", row_id, nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("sink", sa.String(length=200), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("remaining", sa.JSON(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_row"], ["solpay_event.id"], name=op.f("fk_solpay_delivery_event_row")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solpay_delivery")),
        sa.UniqueConstraint("event_row", "sink", name=op.f("uq_solpay_delivery_event_row_sink")),
    )
    op.create_index(
        op.f("ix_solpay_delivery_sink_ended_at_event_row"),
        "solpay_delivery",
        ["sink", "ended_at", "event_row"],
    )
    op.create_index(op.f("ix_solpay_delivery_payment_id_sink"), "solpay_delivery", ["payment_id", "sink"])
    op.add_column("solpay_event", sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True))
    for name in _MOVED:
        op.drop_column("solpay_event", name)


def downgrade() -> None:
    """Take back. What was delivered to some sinks only counts as not delivered again."""
    op.add_column("solpay_event", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("solpay_event", sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("solpay_event", sa.Column("last_error", sa.Text(), nullable=True))
    op.drop_column("solpay_event", "dead_at")
    op.drop_index(op.f("ix_solpay_delivery_payment_id_sink"), table_name="solpay_delivery")
    op.drop_index(op.f("ix_solpay_delivery_sink_ended_at_event_row"), table_name="solpay_delivery")
    op.drop_table("solpay_delivery")
