"""What finalized transactions did to wallets with long histories, so that each is read once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply. Nothing is known yet."""
    op.create_table(
        "solpay_known_effect",
        sa.Column("address", sa.String(length=44), nullable=False),
        sa.Column("signature", sa.String(length=88), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("address", "signature", name=op.f("pk_solpay_known_effect")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("solpay_known_effect")
