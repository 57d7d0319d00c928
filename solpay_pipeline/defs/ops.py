"""The ops: config in, operation called, metadata out.

An op goes on where it was when it is retried, since what is done is in the database. Wallets that could not be
handled do not fail their op, so that the chain of operations goes on; the last op of each job fails for them, so that
such a run is never all green. How often an op is retried its job says.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import dagster as dg

from solpay_pipeline.defs.config import (
    DeliverConfig,
    ExpireConfig,
    OperationConfig,
    RecheckConfig,
    SweepConfig,
)
from solpay_pipeline.defs.failures import NO_RETRY, PermanentFailure, failing_well
from solpay_pipeline.defs.interruption import run_until_stopped
from solpay_pipeline.defs.metadata import DRY_RUN, metadata_of, metadata_of_delivery, progress_for, tags_of
from solpay_pipeline.defs.resources import (
    DatabaseResource,
    EventSinkResource,
    SolanaRpcResource,
    WalletVaultResource,
)
from solpay_pipeline.events import relay
from solpay_pipeline.events.relay import DeliveryOptions, DeliveryOutcome
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.run import run_operation
from solpay_pipeline.wiring.choices import OperationChoices
from solpay_pipeline.wiring.deployment import put_together

MOST_REASONS = 50


@dg.op(description="Expire unpaid payments after a look at the chain; close their wallets.")
def expire(
    context: dg.OpExecutionContext,
    config: ExpireConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> Outcome:
    """Payments whose time is over expire, or are accepted where the chain shows them paid in time."""
    return _operate(context, config, database, rpc, vault)


@dg.op(
    ins={"after": dg.In(dg.Nothing)},
    description="Move all money of accepted payments to the receiver; close emptied token accounts.",
)
def sweep(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> Outcome:
    """Every lamport and every token of accepted payments goes home."""
    return _operate(context, config, database, rpc, vault)


@dg.op(
    ins={"after": dg.In(dg.Nothing)},
    description="Close empty token accounts of expired payments; their rent goes to the fee payer.",
)
def reclaim(
    context: dg.OpExecutionContext,
    config: OperationConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> Outcome:
    """Rent comes back from wallets that are not needed any more."""
    return _operate(context, config, database, rpc, vault)


@dg.op(
    description="Look up initiated payments on chain, accept what was paid, send it home. A partition asks the whole "
    "history of all payments created on that day.",
)
def recheck(
    context: dg.OpExecutionContext,
    config: RecheckConfig,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> Outcome:
    """Payments that were made but never noticed are found."""
    return _operate(context, config, database, rpc, vault)


@dg.op(
    ins={"outcomes": dg.In(default_value=[])},
    description="Tell the webhook, the Python handlers and the Django signals what happened. After a dry run: nothing.",
)
def deliver_events(
    context: dg.OpExecutionContext,
    config: DeliverConfig,
    outcomes: list[Outcome],
    database: DatabaseResource,
    events: EventSinkResource,
) -> DeliveryOutcome:
    """Events that wait in the outbox leave it."""
    is_dry = any(outcome.dry_run for outcome in outcomes)
    with failing_well():
        sinks = events.lend()
        options = DeliveryOptions(tries=sinks.tries, max_runtime_seconds=config.max_runtime_seconds)
        with closing(database.lend()) as opened, sinks.open() as places:
            delivery = relay.deliver_events(opened.engine, [] if is_dry else places, options, context.run_id)
    context.add_output_metadata(metadata_of_delivery(delivery))
    return delivery


@dg.op(
    ins={"outcomes": dg.In(default_value=[])},
    retry_policy=NO_RETRY,
    description="Fail the run where something was set aside, so that nobody takes it for all done.",
)
def verdict(context: dg.OpExecutionContext, outcomes: list[Outcome], delivery: DeliveryOutcome) -> None:
    """The last word of a run."""
    reasons = [*_reasons(outcomes, delivery)]
    if not reasons:
        context.log.info("everything was done; nothing was set aside")
        return
    context.instance.add_run_tags(context.run_id, {"solpay/set_aside": str(len(reasons))})
    shown = "\n".join(reasons[:MOST_REASONS])
    more = f"\n... and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
    raise PermanentFailure(f"{len(reasons)} set aside, all else is done:\n{shown}{more}")


def _reasons(outcomes: Sequence[Outcome], delivery: DeliveryOutcome) -> Iterator[str]:
    yield from (f"{one.operation}: {one.blocked}" for one in outcomes if one.blocked is not None)
    ended: list[Outcome | DeliveryOutcome] = [*outcomes, delivery]
    for outcome in ended:
        for one in outcome.set_aside:
            yield (
                f"{outcome.operation}: wallet {one.wallet_id}, payment {one.payment_id}: {one.explanation}"
            )


def _operate(
    context: dg.OpExecutionContext,
    config: OperationChoices,
    database: DatabaseResource,
    rpc: SolanaRpcResource,
    vault: WalletVaultResource,
) -> Outcome:
    operation = context.op.name
    if config.dry_run:
        context.instance.add_run_tags(context.run_id, DRY_RUN)
    with failing_well():
        chain = rpc.lend()
        options = config.options(chain.judging)
        if context.has_partition_key:
            window = context.partition_time_window
            # A day is looked at whole, however many payments it has.
            options = replace(options, created_from=window.start, created_until=window.end, limit=None)
        with closing(database.lend()) as opened:
            deployment = put_together(opened, chain, vault.lend())
            work = run_operation(deployment, operation, options, context.run_id, progress_for(context))
            outcome = run_until_stopped(work)
    _report(context, outcome, chain.cluster)
    return outcome


def _report(context: dg.OpExecutionContext, outcome: Outcome, cluster: str) -> None:
    context.add_output_metadata(metadata_of(outcome, cluster))
    context.instance.add_run_tags(context.run_id, tags_of(outcome, cluster))
    for finding in outcome.findings:
        log = context.log.warning if finding.is_set_aside else context.log.info
        log("%s: wallet %s: %s", finding.code.value, finding.wallet_id, finding.explanation)
    counts = ", ".join(f"{name} {count}" for name, count in outcome.counts().items() if count)
    context.log.info("%s: %s", outcome.operation, counts or "nothing to do")
