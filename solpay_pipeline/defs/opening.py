"""Opens the merchant for a step of Dagster that looks and moves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from solpay_pipeline.chain.rpc.errors import Transient
from solpay_pipeline.defs.failures import MENDABLE_BY_PEOPLE, permanent, transient
from solpay_pipeline.defs.resources import (
    DatabaseResource,
    SolanaRpcResource,
    WalletVaultResource,
    deployment_of,
    settings_of,
)
from solpay_pipeline.operations.context.deployment import Deployment


@contextmanager
def opened_deployment(
    database: DatabaseResource, rpc: SolanaRpcResource, vault: WalletVaultResource
) -> Iterator[Deployment]:
    """The merchant for as long as the block runs; trouble in it leaves as the failure that Dagster is to see."""
    try:
        deployment = deployment_of(settings_of(database, rpc, vault))
        try:
            yield deployment
        finally:
            deployment.engine.dispose()
    except MENDABLE_BY_PEOPLE as error:
        raise permanent(error) from None
    except Transient as error:
        raise transient(error) from None
