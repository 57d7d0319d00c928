"""The numbers of an outcome as Dagster shows them, and its progress as log lines or a terminal's bars."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Final

import dagster as dg

from solpay_pipeline.events.relay import DeliveryOutcome
from solpay_pipeline.operations.context.outcome import Outcome

# A run page slows down with more; the ledger has them all.
_MOST_ROWS = 200

# Lines in the run's log: one for every so many wallets of a stage.
_LOG_EVERY = 1_000

TERMINAL: Final[ContextVar[Callable[[str, str, int], None] | None]] = ContextVar("TERMINAL", default=None)
"""Where a terminal watches: called with operation, stage, wallets done. Without one, progress goes to the run's log."""

SPOKEN: Final[ContextVar[Callable[[str], None] | None]] = ContextVar("SPOKEN", default=None)
"""Where a terminal hears of waits. The run's log does in any case."""

HEARD: Final[ContextVar[list[Outcome] | None]] = ContextVar("HEARD", default=None)
"""Where a command line collects outcomes, those of operations that failed among them."""

DRY_RUN: Final = {"solpay/dry_run": "true"}
"""The tag of a run that signs and writes nothing."""

FAILED: Final = "solpay/failed"
"""The tag of a run with the operation of it that failed last."""

_EXPLORERS = {"mainnet-beta": "", "devnet": "?cluster=devnet", "testnet": "?cluster=testnet"}


def metadata_of(outcome: Outcome, cluster: str) -> dict[str, dg.MetadataValue]:
    """Counts and lamports as numbers, so that Dagster can plot them; amounts, signatures and findings as tables.

    On a public cluster each signature is a link to Solana's explorer.
    """
    return {
        **{name: dg.MetadataValue.int(count) for name, count in outcome.counts().items()},
        "rent_lamports": dg.MetadataValue.int(outcome.rent),
        "fee_lamports": dg.MetadataValue.int(outcome.fees),
        "stopped_reason": dg.MetadataValue.text(outcome.stopped_reason),
        "dry_run": dg.MetadataValue.bool(outcome.dry_run),
        **({} if outcome.blocked is None else {"blocked": dg.MetadataValue.text(outcome.blocked)}),
        **({} if outcome.failure is None else {"failure": dg.MetadataValue.text(outcome.failure)}),
        **(
            {"left_undone": dg.MetadataValue.text("\n".join(outcome.left_undone))}
            if outcome.left_undone
            else {}
        ),
        "amounts": _amounts(outcome.amounts),
        "withheld": _amounts(outcome.withheld),
        "findings": _findings(outcome),
        "signatures": _signatures(outcome.signatures[:_MOST_ROWS], cluster),
        "rpc_calls": dg.MetadataValue.json(dict(outcome.rpc_calls)),
    }


def progress_for(context: dg.OpExecutionContext) -> Callable[[str, int], None]:
    """What an operation reports its progress to."""
    operation, terminal = context.op.name, TERMINAL.get()
    if terminal is not None:
        return lambda stage, count: terminal(operation, stage, count)
    done: dict[str, int] = {}

    def log(stage: str, count: int) -> None:
        before = done.get(stage, 0)
        done[stage] = before + count
        if before // _LOG_EVERY != done[stage] // _LOG_EVERY:
            context.log.info("%s: %s %d wallets", operation, stage, done[stage])

    return log


def announce(outcome: Outcome) -> None:
    """Let a command line have an outcome, whatever becomes of its op."""
    heard = HEARD.get()
    if heard is not None:
        heard.append(outcome)


def listener_for(context: dg.OpExecutionContext) -> Callable[[str], None]:
    """Who hears of an op's waits."""
    name, spoken = context.op.name, SPOKEN.get()

    def hear(line: str) -> None:
        context.log.info("%s: %s", name, line)
        if spoken is not None:
            spoken(f"{name}: {line}")

    return hear


def metadata_of_delivery(delivery: DeliveryOutcome) -> dict[str, dg.MetadataValue]:
    """What was delivered and what waits, over all sinks and by sink."""
    shown = delivery.as_json()
    return {
        "delivered": dg.MetadataValue.int(delivery.delivered),
        "waiting": dg.MetadataValue.int(delivery.waiting),
        "stopped_reason": dg.MetadataValue.text(delivery.stopped_reason),
        "sinks": dg.MetadataValue.json({"sinks": shown["sinks"]}),
    }


def tags_of(outcome: Outcome, cluster: str) -> dict[str, str]:
    """What a run can be found by: its cluster, and what each of its operations did.

    Of a dry run no counts: in a list of runs they would look as if it had happened.
    """
    where = {"solpay/cluster": cluster}
    if outcome.dry_run:
        return where | DRY_RUN
    counts = ", ".join(f"{name} {count}" for name, count in outcome.counts().items() if count)
    return where | {f"solpay/{outcome.operation}": counts or "nothing to do"}


def _signatures(signatures: Sequence[str], cluster: str) -> dg.MetadataValue:
    if cluster not in _EXPLORERS or not signatures:
        return dg.MetadataValue.json(list(signatures))
    where = _EXPLORERS[cluster]
    lines = [f"- [{one}](https://explorer.solana.com/tx/{one}{where})" for one in signatures]
    return dg.MetadataValue.md("\n".join(lines))


def _amounts(amounts: Mapping[str, int]) -> dg.MetadataValue:
    records = [dg.TableRecord({"mint": mint, "base_units": str(amount)}) for mint, amount in amounts.items()]
    return dg.MetadataValue.table(records, schema=_schema("mint", "base_units"))


def _findings(outcome: Outcome) -> dg.MetadataValue:
    records = [
        dg.TableRecord(
            {
                "code": one.code.value,
                "wallet": str(one.wallet_id),
                "payment": str(one.payment_id),
                "amount": str(one.amount),
                "explanation": one.explanation,
            }
        )
        for one in outcome.findings[:_MOST_ROWS]
    ]
    return dg.MetadataValue.table(
        records, schema=_schema("code", "wallet", "payment", "amount", "explanation")
    )


def _schema(*names: str) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, "string") for name in names])
