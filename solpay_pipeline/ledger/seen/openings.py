"""Token accounts that are unusual, with what each was opened with: found in a history once, and not read again.

An ordinary wallet has no row here: its accounts are derived from its offers, and their lamports tell their rent.
"""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.base.sql import among, upsert
from solpay_pipeline.ledger.tables import opening


def of_wallets(connection: Connection, wallet_ids: Collection[int]) -> dict[int, dict[Pubkey, int]]:
    """Lamports by wallet and account; wallets without an unusual account are left out."""
    found: dict[int, dict[Pubkey, int]] = {}
    query = sa.select(opening).where(among(connection, opening.c.wallet_id, wallet_ids))
    for row in connection.execute(query):
        found.setdefault(row.wallet_id, {})[Pubkey.from_string(row.account)] = row.lamports
    return found


def remember(connection: Connection, wallet_id: int, lamports: Mapping[Pubkey, int]) -> None:
    """Keep what accounts of a wallet were opened with; one that was opened again is renewed."""
    rows = [
        {"account": str(account), "wallet_id": wallet_id, "lamports": amount}
        for account, amount in lamports.items()
    ]
    upsert(connection, opening, rows, key="account", renewed=["lamports"])
