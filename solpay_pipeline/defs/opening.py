"""Opens the merchant for a step of Dagster that looks and moves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from solpay_pipeline.base.errors import NeedsOperator, Passing
from solpay_pipeline.defs.failures import permanent, transient
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
    except NeedsOperator as error:
        raise permanent(error) from None
    except Passing as error:
        raise transient(error) from None
