"""What must hold between two runs, as checks of the report that each belongs to.

They look at how things are now, the books at the transactions of the reported day. A check that cannot look fails its
step instead of passing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from solpay_pipeline.assets import open_payments, operation_costs, settlements, wallet_states
from solpay_pipeline.chain.errors import Transient
from solpay_pipeline.chain.rpc import Rpc
from solpay_pipeline.failures import MENDABLE_BY_PEOPLE, permanent, transient
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.merchant import Merchant
from solpay_pipeline.records.database import reading
from solpay_pipeline.reports import audits
from solpay_pipeline.reports.audits import Audit
from solpay_pipeline.reports.window import window_of
from solpay_pipeline.resources import (
    DatabaseResource,
    SolanaRpcResource,
    WalletVaultResource,
    merchant_of,
    settings_of,
)

# Maintenance runs every quarter of an hour by default: whatever still waits then, has been passed over many times.
_LONGEST_WAIT = timedelta(hours=6)

# As long as wallets of expired payments stay watched.
_EVIDENCE_DAYS = timedelta(days=7)


@dg.asset_check(
    asset=settlements,
    description="Each transaction that the ledger booked that day is on chain, with the fee and the amounts booked.",
)
def books_balance(
    context: dg.AssetCheckExecutionContext,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> dg.AssetCheckResult:
    """The ledger against the chain."""
    day = context.partition_key if context.has_partition_key else f"{datetime.now(UTC):%Y-%m-%d}"

    async def look(merchant: Merchant, client: Rpc) -> Audit:
        with reading(merchant.engine) as connection:
            entries = audits.booked(connection, window_of(day))
        return await audits.books_balance(client, entries, str(merchant.fee_payer.pubkey))

    return _result(look, database, rpc, vault)


@dg.asset_check(
    asset=wallet_states,
    description="No accepted money waits to be swept for more than six hours, but what was set aside with a reason.",
)
def nothing_waits_too_long(
    database: DatabaseResource, rpc: SolanaRpcResource, vault: WalletVaultResource
) -> dg.AssetCheckResult:
    """Sweeping keeps up."""

    async def look(merchant: Merchant, _client: Rpc) -> Audit:
        with reading(merchant.engine) as connection:
            return audits.nothing_waits_too_long(
                connection, merchant.tables, datetime.now(UTC), _LONGEST_WAIT
            )

    return _result(look, database, rpc, vault)


@dg.asset_check(
    asset=operation_costs,
    description="No transaction is in flight past its last valid block: some run should have settled it.",
)
def nothing_is_overdue_in_flight(
    database: DatabaseResource, rpc: SolanaRpcResource, vault: WalletVaultResource
) -> dg.AssetCheckResult:
    """The ledger's open rows are alive."""

    async def look(merchant: Merchant, client: Rpc) -> Audit:
        height = await client.block_height(Commitment.FINALIZED)
        with reading(merchant.engine) as connection:
            return audits.nothing_is_overdue_in_flight(connection, height)

    return _result(look, database, rpc, vault)


@dg.asset_check(
    asset=open_payments,
    description="Payments that ended have evidence: accepted ones a signature or our event, expired ones a look.",
)
def everything_has_evidence(
    database: DatabaseResource, rpc: SolanaRpcResource, vault: WalletVaultResource
) -> dg.AssetCheckResult:
    """No status without a reason."""

    async def look(merchant: Merchant, _client: Rpc) -> Audit:
        with reading(merchant.engine) as connection:
            return audits.everything_has_evidence(
                connection, merchant.tables, datetime.now(UTC) - _EVIDENCE_DAYS
            )

    return _result(look, database, rpc, vault)


REPORT_CHECKS = [
    books_balance,
    nothing_waits_too_long,
    nothing_is_overdue_in_flight,
    everything_has_evidence,
]


def _result(
    look: Callable[[Merchant, Rpc], Awaitable[Audit]],
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> dg.AssetCheckResult:
    async def ask(merchant: Merchant) -> Audit:
        async with merchant.open_rpc(0.0) as client:
            await client.check_cluster(merchant.cluster)
            return await look(merchant, client)

    try:
        merchant = merchant_of(settings_of(database, rpc, vault))
        try:
            audit = asyncio.run(ask(merchant))
        finally:
            merchant.engine.dispose()
    except MENDABLE_BY_PEOPLE as error:
        raise permanent(error) from None
    except Transient as error:
        raise transient(error) from None
    return dg.AssetCheckResult(
        passed=audit.passed,
        description=audit.words,
        metadata={
            **{name: dg.MetadataValue.int(count) for name, count in audit.figures.items()},
            "examples": dg.MetadataValue.json(list(audit.examples)),
        },
    )
