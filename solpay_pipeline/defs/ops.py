"""The ops: config in, operation called, metadata out.

An op goes on where it was when it is retried, since what is done is in the database. Wallets that could not be
handled do not fail their op, so that the chain of operations goes on; the last op of each job fails for them, so that
such a run is never all green.
"""

import asyncio

import dagster as dg
from pydantic import Field

from solpay_pipeline.base.errors import NeedsOperator, Passing
from solpay_pipeline.defs.failures import (
    INTERRUPTED,
    RETRIES,
    PermanentFailure,
    cancelled,
    permanent,
    transient,
)
from solpay_pipeline.defs.interruption import run_until_stopped
from solpay_pipeline.defs.metadata import metadata_of, progress_for, tags_of
from solpay_pipeline.defs.resources import (
    DatabaseResource,
    EventSinkResource,
    SolanaRpcResource,
    WalletVaultResource,
    deployment_of,
    settings_of,
)
from solpay_pipeline.operations.context.options import Options, parse_tolerance
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.settings.model import Settings
from solpay_pipeline.wiring.sinks import deliver_now

JsonOutcome = dict[str, object]


class OperationConfig(dg.Config):
    """What every operation can be told."""

    dry_run: bool = Field(default=False, description="Plan and report only: sign and write nothing.")
    sleep: float = Field(
        default=0.0, description="Seconds between blockchain operations, against rate limits."
    )
    payment_ids: list[int] = Field(default=[], description="Only these payments, by id. Empty: all.")
    max_runtime_seconds: float | None = Field(
        default=None, description="Stop cleanly between transactions after so many seconds. Empty: no limit."
    )
    discover_accounts: bool = Field(
        default=False,
        description="Also look for token accounts that no payment names; costs two more calls a wallet.",
    )
    underpayment_tolerance: str | None = Field(
        default=None,
        description="How much less than the price still pays: base units (`1000`) or a share of it (`0.5%`). "
        "Empty: SOLPAY_UNDERPAYMENT_TOLERANCE.",
    )

    def options(self, settings: Settings, **more: object) -> Options:
        """The operation's options; what is not told here the settings tell. Raises `BadOption`."""
        told = (self.underpayment_tolerance or "").strip()
        return Options(
            dry_run=self.dry_run,
            sleep=self.sleep,
            payment_ids=frozenset(self.payment_ids) or None,
            max_runtime_seconds=self.max_runtime_seconds,
            discover_accounts=self.discover_accounts,
            tolerance=parse_tolerance(told) if told else settings.underpayment_tolerance,
            **{"watch_days": settings.watch_days, **more},  # type: ignore[arg-type]
        )


class ExpireConfig(OperationConfig):
    """Options of expire."""

    close_wallets: bool = Field(
        default=True, description="Close the expired wallets' empty accounts at once."
    )
    check_history: bool = Field(
        default=True,
        description="Ask the history of every wallet before its payment expires (about three calls each). Without, an "
        "untouched wallet with a zero balance counts as never paid, which holds where only this pipeline moves money.",
    )
    watch_days: int | None = Field(
        default=None,
        description="Days after expiry for which wallets are still looked at. Empty: SOLPAY_WATCH_DAYS.",
    )


class SweepConfig(OperationConfig):
    """Options of sweep."""

    sweep_held_funds: bool = Field(
        default=False, description="Sweep short, late and unexpected money too. Its payments stay expired."
    )


class RecheckConfig(OperationConfig):
    """Options of recheck."""

    limit: int = Field(
        default=200,
        description="At most so many payments, those unseen for longest first. A day is looked at whole.",
    )
    forward_funds: bool = Field(default=True, description="Sweep what was found paid at once.")


@dg.op(
    retry_policy=RETRIES, description="Expire unpaid payments after a look at the chain; close their wallets."
)
def expire(
    context: dg.OpExecutionContext,
    config: ExpireConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> JsonOutcome:
    """Payments whose time is over expire, or are accepted where the chain shows them paid in time."""
    more: dict[str, object] = {"close_wallets": config.close_wallets, "check_history": config.check_history}
    if config.watch_days is not None:
        more["watch_days"] = config.watch_days
    return _operate(context, config, more, database, rpc, vault)


@dg.op(
    retry_policy=RETRIES,
    ins={"after": dg.In(dg.Nothing)},
    description="Move all money of accepted payments to the receiver; close emptied token accounts.",
)
def sweep(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> JsonOutcome:
    """Every lamport and every token of accepted payments goes home."""
    return _operate(context, config, {"sweep_held_funds": config.sweep_held_funds}, database, rpc, vault)


@dg.op(
    retry_policy=RETRIES,
    ins={"after": dg.In(dg.Nothing)},
    description="Close empty token accounts of expired payments; their rent goes to the fee payer.",
)
def reclaim(
    context: dg.OpExecutionContext,
    config: OperationConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> JsonOutcome:
    """Rent comes back from wallets that are not needed any more."""
    return _operate(context, config, {}, database, rpc, vault)


@dg.op(
    retry_policy=RETRIES,
    description="Look up initiated payments on chain, accept what was paid, send it home. A partition asks the whole "
    "history of all payments created on that day.",
)
def recheck(
    context: dg.OpExecutionContext,
    config: RecheckConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> JsonOutcome:
    """Payments that were made but never noticed are found."""
    more: dict[str, object] = {"limit": config.limit, "forward_funds": config.forward_funds}
    if context.has_partition_key:
        window = context.partition_time_window
        # A day is looked at whole, however many payments it has.
        more |= {"created_from": window.start, "created_until": window.end, "limit": None}
    return _operate(context, config, more, database, rpc, vault)


class DeliverConfig(dg.Config):
    """Options of the delivery of events."""

    max_runtime_seconds: float | None = Field(
        default=300.0, description="Stop cleanly between events after so many seconds. Empty: no limit."
    )


@dg.op(
    retry_policy=RETRIES,
    ins={"outcomes": dg.In(list, default_value=[])},
    description="Tell the webhook, the Python handlers and the Django signals what happened. After a dry run: nothing.",
)
def deliver_events(
    context: dg.OpExecutionContext,
    config: DeliverConfig,
    outcomes: list[JsonOutcome],
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
    events: EventSinkResource,
) -> JsonOutcome:
    """Events that wait in the outbox leave it."""
    try:
        settings = settings_of(database, rpc, vault, events)
        is_dry = any(outcome["dry_run"] for outcome in outcomes)
        told = deliver_now(settings, context.run_id, config.max_runtime_seconds, dry_run=is_dry).as_json()
    except INTERRUPTED as interrupt:
        raise cancelled() from interrupt
    except NeedsOperator as error:
        raise permanent(error) from None
    context.add_output_metadata(
        {
            "delivered": dg.MetadataValue.int(int(str(told["delivered"]))),
            "waiting": dg.MetadataValue.int(int(str(told["waiting"]))),
            "stopped_reason": dg.MetadataValue.text(str(told["stopped_reason"])),
            "sinks": dg.MetadataValue.json({"sinks": told["sinks"]}),
        }
    )
    return told


@dg.op(description="Fail the run where something was set aside, so that nobody takes it for all done.")
def verdict(context: dg.OpExecutionContext, outcomes: list[JsonOutcome]) -> None:
    """The last word of a run."""
    reasons = [
        f"{outcome['operation']}: wallet {one['wallet_id']}, payment {one['payment_id']}: {one['explanation']}"
        for outcome in outcomes
        for one in outcome["set_aside"]  # type: ignore[attr-defined]
    ]
    if not reasons:
        context.log.info("everything was done; nothing was set aside")
        return
    context.instance.add_run_tags(context.run_id, {"solpay/set_aside": str(len(reasons))})
    shown = "\n".join(reasons[:MOST_REASONS])
    more = f"\n... and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
    raise PermanentFailure(f"{len(reasons)} set aside, all else is done:\n{shown}{more}")


MOST_REASONS = 50


def _operate(
    context: dg.OpExecutionContext,
    config: OperationConfig,
    more: dict[str, object],
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> JsonOutcome:
    operation = context.op.name
    try:
        settings = settings_of(database, rpc, vault)
        options = config.options(settings, **more)
        deployment = deployment_of(settings)
        try:
            outcome = run_until_stopped(
                run_operation(deployment, operation, options, context.run_id, progress_for(context))
            )
        finally:
            deployment.engine.dispose()
    except (INTERRUPTED, asyncio.CancelledError) as interrupt:
        raise cancelled() from interrupt
    except NeedsOperator as error:
        raise permanent(error) from None
    except Passing as error:
        raise transient(error) from None
    _report(context, outcome, deployment.cluster)
    return outcome.as_json()


def _report(context: dg.OpExecutionContext, outcome: Outcome, cluster: str) -> None:
    context.add_output_metadata(metadata_of(outcome, cluster))
    context.instance.add_run_tags(context.run_id, tags_of(outcome, cluster))
    for finding in outcome.findings:
        log = context.log.warning if finding.is_set_aside else context.log.info
        log("%s: wallet %s: %s", finding.code.value, finding.wallet_id, finding.explanation)
    counts = ", ".join(f"{name} {count}" for name, count in outcome.counts().items() if count)
    context.log.info("%s: %s", outcome.operation, counts or "nothing to do")
