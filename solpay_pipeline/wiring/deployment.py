"""Everything an operation works with, put together."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from solpay_pipeline.operations.context.deployment import Deployment, WatchedShop
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring.chain import ChainAccess, chain_access
from solpay_pipeline.wiring.database import Database, open_database
from solpay_pipeline.wiring.wallets import Wallets, wallets_of


def watched(database: Database, chain: ChainAccess) -> WatchedShop:
    """What it takes to look, without a key; the chain is opened by whoever looks."""
    return WatchedShop(
        engine=database.engine,
        tables=database.tables,
        cluster=chain.cluster,
        open_rpc=chain.open_rpc,
        commitment=chain.commitment,
        acceptance=chain.acceptance,
    )


def put_together(database: Database, chain: ChainAccess, wallets: Wallets) -> Deployment:
    """One deployment of its three parts; the chain is opened by each operation."""
    return Deployment(
        engine=database.engine,
        tables=database.tables,
        vault=wallets.vault,
        fee_payer=wallets.fee_payer,
        receiver=wallets.receiver,
        has_keys=wallets.has_keys,
        cluster=chain.cluster,
        open_rpc=chain.open_rpc,
        commitment=chain.commitment,
        acceptance=chain.acceptance,
        transaction_version=chain.transaction_version,
        max_priority_fee=chain.max_priority_fee,
        spending=chain.spending,
    )


@contextmanager
def shop_of(settings: Settings) -> Iterator[WatchedShop]:
    """What it takes to look, its database open until the end. Raises `BadSetting`, `DatabaseUnreachable`."""
    chain = chain_access(settings)
    with closing(open_database(settings)) as database:
        yield watched(database, chain)


def deployment_of(settings: Settings, *, retry_window_seconds: float | None = None) -> Deployment:
    """The deployment of the settings, its database open, the caller's to dispose of.

    Raises `BadSetting`, `DatabaseUnreachable`.
    """
    chain = chain_access(settings)
    if retry_window_seconds is not None:
        chain = chain.retrying_for(retry_window_seconds)
    return put_together(open_database(settings), chain, wallets_of(settings))
