"""Compare-and-set of wallets that were read in different states, all or none."""

from collections.abc import Iterable

from sqlalchemy import Connection

from solpay_pipeline.base.errors import AboutOneRow
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.records.changes import change_wallets


class ChangedUnderneath(AboutOneRow):
    """A row was no longer what we had read when we came to change it; the change was taken back."""


def set_wallets(
    connection: Connection,
    context: OperationContext,
    wallets: Iterable[Wallet],
    state: WalletState,
    receiver_address: str | None = None,
) -> None:
    """Move wallets to `state`, each from the one it was read in.

    Raises `ChangedUnderneath` where one is no longer in it; the caller's transaction is then void.
    """
    by_state: dict[WalletState, set[int]] = {}
    for wallet in wallets:
        by_state.setdefault(wallet.state, set()).add(wallet.id)
    for from_state, ids in by_state.items():
        changed = change_wallets(
            connection,
            context.deployment.tables,
            ids,
            from_state=from_state,
            to_state=state,
            receiver_address=receiver_address,
            now=context.now(),
        )
        if changed != ids:
            raise ChangedUnderneath
