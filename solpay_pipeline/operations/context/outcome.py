"""What an operation did, in numbers that a run page, a terminal and a machine all show alike."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.summary import Summary
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.findings import HELD, Finding


@dataclass(slots=True)
class Tally:
    """What an operation counts while it works and no table remembers. One owner, one thread."""

    looked_at: int = 0
    waiting: int = 0
    returned: int = 0
    in_flight: int = 0
    settled: int = 0
    reopened: int = 0
    skipped: int = 0
    kept_back: int = 0
    stopped_reason: str = "done"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one operation of one run.

    Counts of changes, `amounts` (base units by mint, `SOL` for lamports), `rent` and `fees` (lamports) come from the
    ledger and the outbox, so a retried step counts everything once. In a dry run they are what would be done.
    `kept_back` wallets have money that is not sent, because of what `blocked` says: what an operator must do first.
    `blocked` is None where all money could be sent. `remarks` are what was done without, because no endpoint offers it.
    """

    operation: str
    run_id: str
    dry_run: bool
    looked_at: int
    accepted: int
    expired: int
    held: int
    swept: int
    closed: int
    returned: int
    waiting: int
    in_flight: int
    settled: int
    reopened: int
    skipped: int
    kept_back: int
    transactions: int
    failed_transactions: int
    amounts: Mapping[str, int]
    withheld: Mapping[str, int]
    rent: int
    fees: int
    signatures: tuple[str, ...]
    findings: tuple[Finding, ...]
    rpc_calls: Mapping[str, int]
    stopped_reason: str
    blocked: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def set_aside(self) -> tuple[Finding, ...]:
        """Work that was not done, with reasons."""
        return tuple(one for one in self.findings if one.is_set_aside)

    @property
    def held_findings(self) -> tuple[Finding, ...]:
        """Money that is held, with reasons."""
        return tuple(one for one in self.findings if one.code in HELD)

    @property
    def notices(self) -> tuple[Finding, ...]:
        """All else that a person should know."""
        return tuple(one for one in self.findings if not one.is_set_aside and one.code not in HELD)

    @property
    def is_clean(self) -> bool:
        """Nothing was set aside, nothing failed for good, and no money was kept back."""
        return not self.set_aside and self.blocked is None

    def as_json(self) -> dict[str, object]:
        """Plain JSON; amounts as decimal strings, since JSON numbers lose digits beyond 2^53."""
        return {
            "operation": self.operation,
            "run_id": self.run_id,
            "dry_run": self.dry_run,
            **self.counts(),
            "amounts": {mint: str(amount) for mint, amount in self.amounts.items()},
            "withheld": {mint: str(amount) for mint, amount in self.withheld.items()},
            "rent_lamports": str(self.rent),
            "fee_lamports": str(self.fees),
            "signatures": list(self.signatures),
            "set_aside": [one.as_json() for one in self.set_aside],
            "held": [one.as_json() for one in self.held_findings],
            "notices": [one.as_json() for one in self.notices],
            "rpc_calls": dict(self.rpc_calls),
            "stopped_reason": self.stopped_reason,
            "blocked": self.blocked,
            "remarks": list(self.remarks),
        }

    def counts(self) -> dict[str, int]:
        """The counts, by name."""
        return {
            "looked_at": self.looked_at,
            "accepted": self.accepted,
            "expired": self.expired,
            "held_count": self.held,
            "swept": self.swept,
            "closed": self.closed,
            "returned": self.returned,
            "waiting": self.waiting,
            "in_flight": self.in_flight,
            "settled": self.settled,
            "reopened": self.reopened,
            "skipped": self.skipped,
            "kept_back": self.kept_back,
            "set_aside_count": len(self.set_aside),
            "transactions": self.transactions,
            "failed_transactions": self.failed_transactions,
        }


# Landed, with or without an error: what the fee payer has paid for.
_PAID = (TransactionState.CONFIRMED, TransactionState.FINALIZED, TransactionState.FAILED)


def outcome_of(
    operation: str,
    run_id: str,
    tally: Tally,
    summary: Summary,
    rpc_calls: Mapping[str, int],
    *,
    dry_run: bool,
    blocked: str | None = None,
    remarks: Sequence[str] = (),
) -> Outcome:
    """Put together what the books remember and what only the operation knows."""
    events = summary.events
    return Outcome(
        operation=operation,
        run_id=run_id,
        dry_run=dry_run,
        accepted=events.get(EventKind.PAYMENT_ACCEPTED, 0),
        expired=events.get(EventKind.PAYMENT_EXPIRED, 0),
        held=events.get(EventKind.PAYMENT_HELD, 0),
        swept=events.get(EventKind.WALLET_SWEPT, 0),
        closed=events.get(EventKind.WALLET_CLOSED, 0),
        transactions=sum(summary.transactions.get(state, 0) for state in _PAID),
        failed_transactions=summary.transactions.get(TransactionState.FAILED, 0),
        amounts={mint or "SOL": amount for mint, amount in summary.moved.items()},
        withheld={mint or "SOL": amount for mint, amount in summary.withheld.items()},
        rent=summary.rent,
        fees=summary.fees,
        signatures=summary.signatures,
        findings=summary.findings,
        rpc_calls=rpc_calls,
        **asdict(tally),
        blocked=blocked,
        remarks=tuple(remarks),
    )
