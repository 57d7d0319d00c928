"""The ops: config in, operation called, metadata out.

They form a chain. What keeps an operation from beginning stops those behind it too, since they would meet the same. One
whose own work fails hands on what it has done and why it ended, and the others run. Neither that nor wallets that could
not be handled fail the op; the last op of each job fails for them, so that such a run is never all green.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import dagster as dg

from solpay_pipeline.base.interruption import run_until_stopped
from solpay_pipeline.base.waiting import told_to
from solpay_pipeline.defs.config import (
    DeliverConfig,
    ExpireConfig,
    OperationConfig,
    RecheckConfig,
    SweepConfig,
    chosen,
)
from solpay_pipeline.defs.deadline import ops_of, run_time
from solpay_pipeline.defs.failures import RETRIES, PermanentFailure, failing_well
from solpay_pipeline.defs.metadata import (
    DRY_RUN,
    FAILED,
    announce,
    listener_for,
    metadata_of,
    metadata_of_delivery,
    progress_for,
    tags_of,
)
from solpay_pipeline.defs.resources import (
    DatabaseResource,
    EventSinkResource,
    SolanaRpcResource,
    WalletVaultResource,
)
from solpay_pipeline.events import relay
from solpay_pipeline.events.relay import DeliveryOptions, DeliveryOutcome
from solpay_pipeline.operations.context.outcome import Outcome
from solpay_pipeline.operations.persistence import Endurance, carry_out, insist
from solpay_pipeline.operations.run import OperationRun
from solpay_pipeline.wiring.choices import OperationChoices
from solpay_pipeline.wiring.deployment import put_together

MOST_REASONS = 50


@dg.op(
    retry_policy=RETRIES,
    description="Expire unpaid payments after a look at the chain; close their wallets.",
)
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
    retry_policy=RETRIES,
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
    retry_policy=RETRIES,
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
) -> Outcome:
    """Payments that were made but never noticed are found."""
    return _operate(context, config, database, rpc, vault)


@dg.op(
    ins={"after": dg.In(dg.Nothing)},
    retry_policy=RETRIES,
    description="Tell the webhook, the Python handlers and the Django signals what happened. After a dry run: nothing.",
)
def deliver_events(
    context: dg.OpExecutionContext,
    config: DeliverConfig,
    database: DatabaseResource,
    events: EventSinkResource,
) -> DeliveryOutcome:
    """Events that wait in the outbox leave it."""
    choices = chosen(context.run.run_config)
    is_dry = bool(choices.get("dry_run"))
    with failing_well(), told_to(listener_for(context)):
        sinks = events.lend()
        time = run_time(context, choices.get("max_runtime_seconds"))

        def deliver() -> DeliveryOutcome:
            seconds = time.for_delivery(config.max_runtime_seconds)
            options = DeliveryOptions(tries=sinks.tries, max_runtime_seconds=seconds)
            with closing(database.lend()) as opened, sinks.open() as places:
                return relay.deliver_events(opened.engine, [] if is_dry else places, options, context.run_id)

        delivery = insist(deliver, Endurance(seconds=time.for_delivery(config.max_runtime_seconds)))
    context.add_output_metadata(metadata_of_delivery(delivery))
    return delivery


@dg.op(
    ins={"outcomes": dg.In(default_value=[])},
    description="Fail the run where something was set aside or left undone, so that nobody takes it for all done.",
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
    failures = "".join(f"{one.operation}: {one.failure}\n" for one in outcomes if one.failure is not None)
    raise PermanentFailure(
        f"{failures}{len(reasons)} set aside or left undone, all else is done:\n{shown}{more}"
    )


def _reasons(outcomes: Sequence[Outcome], delivery: DeliveryOutcome) -> Iterator[str]:
    yield from (f"{one.operation} ended before its end" for one in outcomes if one.failure is not None)
    yield from (f"{one.operation}: {one.blocked}" for one in outcomes if one.blocked is not None)
    yield from (f"{one.operation}: {words}" for one in outcomes for words in one.left_undone)
    yield from (f"{delivery.operation}: {words}" for words in delivery.left_undone)
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
    if config.dry_run:
        context.instance.add_run_tags(context.run_id, DRY_RUN)
    operation = context.op.name
    with failing_well(), told_to(listener_for(context)):
        chain = rpc.lend()
        endurance = Endurance(
            run_time(context, config.max_runtime_seconds).for_operation(operation, ops_of(context)),
            longest_wait=chain.longest_wait,
            tries=context.retry_number,
        )
        if _has_failed(context):
            # The operation before may have waited for the same node, and in vain.
            endurance = replace(endurance, waits=())
        options = config.options(chain.judging)
        if context.has_partition_key:
            window = context.partition_time_window
            # A day is looked at whole, however many payments it has.
            options = replace(options, created_from=window.start, created_until=window.end, limit=None)
        with closing(insist(database.lend, endurance)) as opened:
            deployment = put_together(opened, chain, vault.lend())
            run = OperationRun(deployment, operation, options, context.run_id, progress_for(context))
            outcome = run_until_stopped(carry_out(run, endurance))
    _report(context, outcome, chain.cluster)
    context.add_output_metadata(metadata_of(outcome, chain.cluster))
    return outcome


def _has_failed(context: dg.OpExecutionContext) -> bool:
    """Whether an operation of this run has."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and FAILED in run.tags


def _report(context: dg.OpExecutionContext, outcome: Outcome, cluster: str) -> None:
    announce(outcome)
    context.instance.add_run_tags(context.run_id, tags_of(outcome, cluster))
    if outcome.failure is not None:
        context.instance.add_run_tags(context.run_id, {FAILED: outcome.operation})
    for finding in outcome.findings:
        log = context.log.warning if finding.is_set_aside else context.log.info
        log("%s: wallet %s: %s", finding.code.value, finding.wallet_id, finding.explanation)
    for words in filter(None, [outcome.failure, *outcome.left_undone]):
        context.log.warning("%s: %s", outcome.operation, words)
    counts = ", ".join(f"{name} {count}" for name, count in outcome.counts().items() if count)
    context.log.info("%s: %s", outcome.operation, counts or "nothing to do")
