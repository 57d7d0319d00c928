"""Wallet states: what became of the wallets whose payments were made in some days, as it is now."""

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.records.tables import PeerTables
from solpay_pipeline.reports.window import Window


def wallet_states(connection: Connection, tables: PeerTables, window: Window) -> pd.DataFrame:
    """One row for each state, unknown ones last: `wallets` of payments created in the window, `all_wallets` at all."""
    wallet, payment = tables.wallet, tables.payment
    counted = sa.select(wallet.c.state, sa.func.count()).group_by(wallet.c.state)
    of_window = counted.select_from(
        wallet.join(payment, payment.c.one_time_payment_wallet_id == wallet.c.id)
    ).where(payment.c.created >= window.start, payment.c.created < window.end)
    these = {row[0]: row[1] for row in connection.execute(of_window)}
    every = {row[0]: row[1] for row in connection.execute(counted)}
    known = [state.value for state in WalletState]
    states = [*known, *sorted(set(every) - set(known))]
    return pd.DataFrame(
        [
            {"state": state, "wallets": these.get(state, 0), "all_wallets": every.get(state, 0)}
            for state in states
        ],
        columns=["state", "wallets", "all_wallets"],
    )
