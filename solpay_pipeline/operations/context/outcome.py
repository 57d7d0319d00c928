"""What an operation did, in numbers that a run page, a terminal and a machine all show alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from solpay_pipeline.ledger.outbox import EventKind
from solpay_pipeline.ledger.summary import Summary
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.findings import HELD, Finding

DONE = "done"
"""Why an operation stopped that came to its end."""

# Of the payments that other processes hold, so many are named.
_MOST_NAMED = 20


@dataclass(slots=True)
class Tally:
    """What an operation counts while it works and no table remembers. One owner, one thread.

    `undecided` are transactions of earlier runs of which nobody can tell yet what became of them. Of wallets: `left`
    were known to wait when the operation stopped, `unpaid` wait for fees that the fee payer has not got (`missing`
    lamports, as `means` say), `resting` for their pause after failures on chain. `locked` are the payments whose rows
    another process held, `last_wait` is what was waited for when the time was up. `finished` are the signatures of
    earlier runs' transactions of which this operation has seen the end.
    """

    looked_at: int = 0
    waiting: int = 0
    returned: int = 0
    in_flight: int = 0
    settled: int = 0
    reopened: int = 0
    skipped: int = 0
    before_our_time: int = 0
    kept_back: int = 0
    undecided: int = 0
    left: int = 0
    unpaid: int = 0
    missing: int = 0
    means: str = ""
    resting: int = 0
    stopped_reason: str = DONE
    last_wait: str = ""
    locked: set[int] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)

    def begin_again(self) -> None:
        """For another try of the same operation: what was settled stays counted, since it is settled only once."""
        fresh = Tally(settled=self.settled, reopened=self.reopened, finished=self.finished)
        for one in fields(self):
            setattr(self, one.name, getattr(fresh, one.name))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one operation of one run.

    Counts of changes, `amounts` (base units by mint, `SOL` for lamports), `rent` and `fees` (lamports) come from the
    ledger and the outbox, so a retried step counts everything once. In a dry run they are what would be done.
    What settling finished for earlier runs is in this one's sums, since theirs ended without it.
    `kept_back` wallets have money that is not sent, because of what `blocked` says: what an operator must do first.
    `blocked` is None where all money could be sent. `unseen` are transactions that were written down and not seen at
    the commitment asked for, of this run or of earlier ones; `left`, `unpaid`, `means`, `resting`, `locked` and
    `last_wait` are as in `Tally`. `failure` is why the operation ended before its end, None where it did not; what it
    had done by then is counted. `remarks` are what was done without, because no endpoint offers it.
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
    before_our_time: int
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
    unseen: int = 0
    left: int = 0
    locked: tuple[int, ...] = ()
    failure: str | None = None
    unpaid: int = 0
    means: str = ""
    resting: int = 0
    remarks: tuple[str, ...] = ()
    last_wait: str = ""

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
    def left_undone(self) -> tuple[str, ...]:
        """What this operation should have finished and has not, in sentences with numbers."""
        return tuple(self._left_undone())

    def _left_undone(self) -> Iterator[str]:
        if self.unseen and not self.dry_run:
            yield (
                f"{self.unseen} left undone: transactions that are written down and not seen at the commitment asked "
                "for; the next run settles them"
            )
        if self.unpaid:
            yield f"{self.unpaid} left undone: {self.means}"
        if self.resting:
            yield (
                f"{self.resting} left undone: their transactions failed on chain again and again, and they rest longer "
                "each time; name their payments to try at once"
            )
        if self.locked:
            named = ", ".join(map(str, self.locked[:_MOST_NAMED]))
            more = " and others" if len(self.locked) > _MOST_NAMED else ""
            yield (
                f"{len(self.locked)} left undone: another process holds the rows of payment {named}{more}; "
                "the next run takes them"
            )
        if self.stopped_reason != DONE:
            last = f"; last it was {self.last_wait}" if self.last_wait else ""
            yield f"{self.left or 'some'} left undone, or more: stopped early by {self.stopped_reason}{last}"

    @property
    def is_clean(self) -> bool:
        """Everything was done: nothing was set aside or left undone, nothing failed, and no money was kept back."""
        return not self.set_aside and not self.left_undone and self.blocked is None and self.failure is None

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
            "left_undone": list(self.left_undone),
            "locked_payments": list(self.locked),
            "failure": self.failure,
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
            "before_our_time": self.before_our_time,
            "kept_back": self.kept_back,
            "unseen": self.unseen,
            "left": self.left,
            "unpaid": self.unpaid,
            "resting": self.resting,
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
    failure: str | None = None,
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
        looked_at=tally.looked_at,
        waiting=tally.waiting,
        returned=tally.returned,
        in_flight=tally.in_flight,
        settled=tally.settled,
        reopened=tally.reopened,
        skipped=tally.skipped,
        before_our_time=tally.before_our_time,
        kept_back=tally.kept_back,
        unseen=summary.transactions.get(TransactionState.RECORDED, 0) + tally.undecided,
        left=tally.left,
        unpaid=tally.unpaid,
        means=tally.means,
        last_wait=tally.last_wait,
        resting=tally.resting,
        locked=tuple(sorted(tally.locked)),
        stopped_reason=tally.stopped_reason,
        blocked=blocked,
        failure=failure,
        remarks=tuple(remarks),
    )
