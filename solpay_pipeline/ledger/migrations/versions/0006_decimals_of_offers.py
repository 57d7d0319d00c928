"""What decimals the mints had when an offer was first seen: an issuer can close one and make another in its place."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply. Of offers that were seen before, the decimals count that the mints have at the next look."""
    op.add_column("solpay_offer", sa.Column("decimals", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("solpay_offer", "decimals")
