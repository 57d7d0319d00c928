"""What must hold between two runs, as checks of the report that each belongs to.

They look at how things are now, the books at the transactions of the reported day. A check that cannot look fails its
step instead of passing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.defs.assets import open_payments, operation_costs, settlements, wallet_states
from solpay_pipeline.defs.failures import failing_well
from solpay_pipeline.defs.resources import DatabaseResource, SolanaRpcResource, WalletVaultResource
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.deployment import Deployment
from solpay_pipeline.operations.context.options import WATCH_DAYS
from solpay_pipeline.reports import audits
from solpay_pipeline.reports.audits import Audit
from solpay_pipeline.reports.window import window_of
from solpay_pipeline.wiring.deployment import put_together

# Maintenance runs every quarter of an hour by default: whatever still waits then, has been passed over many times.
_LONGEST_WAIT = timedelta(hours=6)

# As long as wallets of expired payments stay watched.
_EVIDENCE_DAYS = timedelta(days=WATCH_DAYS)


Look = Callable[[Deployment, Rpc, str], Awaitable[Audit]]
"""Looks at the shop and the chain; the text is the reported day."""


def _check(asset: dg.AssetsDefinition, description: str) -> Callable[[Look], dg.AssetChecksDefinition]:
    """A check of the asset under the look's own name."""

    def declared(look: Look) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=asset, name=look.__name__, description=description, config_schema={})
        def check(
            context: dg.AssetCheckExecutionContext,
            database: DatabaseResource,
            rpc: SolanaRpcResource,
            vault: WalletVaultResource,
        ) -> dg.AssetCheckResult:
            day = context.partition_key if context.has_partition_key else f"{datetime.now(UTC):%Y-%m-%d}"
            with failing_well(), closing(database.lend()) as opened:
                deployment = put_together(opened, rpc.lend(), vault.lend())
                return _result(asyncio.run(_audit(deployment, look, day)))

        return check

    return declared


@_check(
    settlements,
    "Each transaction that the ledger booked that day is on chain, with the fee and the amounts booked.",
)
async def books_balance(deployment: Deployment, client: Rpc, day: str) -> Audit:
    """The ledger against the chain."""
    with reading(deployment.engine) as connection:
        entries = audits.booked(connection, window_of(day))
    return await audits.books_balance(client, entries)


@_check(
    wallet_states,
    "No accepted money waits to be swept for more than six hours, but what was set aside with a reason.",
)
async def nothing_waits_too_long(deployment: Deployment, _client: Rpc, _day: str) -> Audit:
    """Sweeping keeps up."""
    with reading(deployment.engine) as connection:
        return audits.nothing_waits_too_long(connection, deployment.tables, datetime.now(UTC), _LONGEST_WAIT)


@_check(
    operation_costs,
    "No transaction is in flight past its last valid block: some run should have settled it.",
)
async def nothing_is_overdue_in_flight(deployment: Deployment, client: Rpc, _day: str) -> Audit:
    """The ledger's open rows are alive."""
    height = await client.block_height(Commitment.FINALIZED)
    with reading(deployment.engine) as connection:
        return audits.nothing_is_overdue_in_flight(connection, height)


@_check(
    open_payments,
    "Payments that ended have evidence: accepted ones a signature or our event, expired ones a look.",
)
async def everything_has_evidence(deployment: Deployment, _client: Rpc, _day: str) -> Audit:
    """No status without a reason."""
    with reading(deployment.engine) as connection:
        return audits.everything_has_evidence(
            connection, deployment.tables, datetime.now(UTC) - _EVIDENCE_DAYS
        )


REPORT_CHECKS = [
    books_balance,
    nothing_waits_too_long,
    nothing_is_overdue_in_flight,
    everything_has_evidence,
]


async def _audit(deployment: Deployment, look: Look, day: str) -> Audit:
    async with deployment.open_rpc(0.0) as client:
        await client.check_cluster(deployment.cluster)
        return await look(deployment, client, day)


def _result(audit: Audit) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=audit.passed,
        description=audit.words,
        metadata={
            **{name: dg.MetadataValue.int(count) for name, count in audit.figures.items()},
            "examples": dg.MetadataValue.json(list(audit.examples)),
        },
    )
