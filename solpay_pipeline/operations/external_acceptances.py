"""Payments that somebody else accepted, the peer's verify endpoint above all: found by their rows, told once.

The peer has sent its own signal by then, so that only the webhook and the Python handlers are told (`source` is
`peer`). What came in is what the chain still shows; the acceptance itself is not questioned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from solders.pubkey import Pubkey

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import acceptances, outbox
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.runs import RunRef
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.holdings import mint_text
from solpay_pipeline.lifecycle.judgement import Judgement, beyond
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, Payment, PaymentOption, PaymentStatus, Wallet
from solpay_pipeline.operations.changes.transitions import amounts_text, payment_body
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.snapshots import judge_snapshots, take_snapshots
from solpay_pipeline.records.queries import payment_ids_with_status, wallets_of_payments

# `processed` is what the peer writes and takes back in one transaction: it never stands.
_ACCEPTED = frozenset({PaymentStatus.CONFIRMED, PaymentStatus.FINALIZED})

# Under this name such events stand in the ledger: no operation of ours has accepted them.
_OPERATION = "elsewhere"


async def tell_accepted_elsewhere(context: OperationContext) -> None:
    """Write the events of payments that became accepted without us since the last run."""
    if context.options.dry_run:
        return
    _begin(context)
    after = 0
    while not context.must_stop():
        page = _page(context, after)
        if not page:
            return
        after = page[-1]
        with reading(context.deployment.engine) as connection:
            rows = wallets_of_payments(connection, context.deployment.tables, page)
        # A row that nobody can read is set aside by the operation that meets it.
        wallets = [row for row in rows if isinstance(row, Wallet)]
        snapshots = await take_snapshots(
            context, wallets, commitment=context.deployment.acceptance, min_context_slot=context.chain_slot
        )
        _tell(context, await _came_in(context, snapshots))


@dataclass(frozen=True, slots=True)
class _Income:
    """What came in for a payment, in base units by mint, as far as the chain still shows it."""

    received: Mapping[Pubkey | None, int] = field(default_factory=dict)
    surplus: Mapping[Pubkey | None, int] = field(default_factory=dict)
    option: PaymentOption | None = None
    signature: str | None = None
    paid_at: datetime | None = None


async def _came_in(
    context: OperationContext, snapshots: Sequence[Snapshot]
) -> list[tuple[Snapshot, _Income]]:
    """By what the wallets hold, which costs nothing more; the history is read only of those that are empty again."""
    emptied = [snapshot for snapshot in snapshots if snapshot.holdings.is_empty]
    found = [(snapshot, _in_history(judged)) for snapshot, judged in await judge_snapshots(context, emptied)]
    return found + [
        (snapshot, _in_hand(snapshot)) for snapshot in snapshots if not snapshot.holdings.is_empty
    ]


def _in_history(judged: Judgement | Finding) -> _Income:
    if isinstance(judged, Finding):
        return _Income()
    return _Income(judged.received, judged.surplus, judged.option, judged.signature, judged.paid_at)


def _in_hand(snapshot: Snapshot) -> _Income:
    held = snapshot.holdings.balances()
    shown = [option for option in snapshot.payment.options if held.get(option.mint)]
    option = _named_option(snapshot.payment) or (shown[0] if shown else None)
    places = None if option is None else _decimals(snapshot, option)
    if option is None or places is None:
        return _Income(held, option=option)
    return _Income(held, beyond(held, option.mint, option.base_units(places)), option)


def _begin(context: OperationContext) -> None:
    deployment = context.deployment
    with reading(deployment.engine) as connection:
        if acceptances.has_begun(connection):
            return
    with deployment.engine.begin() as connection:
        accepted = payment_ids_with_status(connection, deployment.tables, statuses=_ACCEPTED)
        acceptances.begin(connection, accepted, context.now())


def _page(context: OperationContext, after: int) -> list[int]:
    deployment, options = context.deployment, context.options
    with reading(deployment.engine) as connection:
        accepted = payment_ids_with_status(
            connection, deployment.tables, statuses=_ACCEPTED, payment_ids=options.payment_ids
        )
        return acceptances.unclaimed(connection, accepted, after=after, limit=options.page_size)


def _tell(context: OperationContext, told: Sequence[tuple[Snapshot, _Income]]) -> None:
    with context.deployment.engine.begin() as connection:
        ids = [snapshot.payment.id for snapshot, _ in told]
        ours = acceptances.claim(connection, ids, Source.PEER, context.now())
        events = [
            Event(
                EventKind.PAYMENT_ACCEPTED, snapshot.payment.id, snapshot.wallet.id, _body(snapshot, income)
            )
            for snapshot, income in told
            if snapshot.payment.id in ours
        ]
        outbox.append(connection, events, RunRef(context.run.run_id, _OPERATION), context.now())


def _body(snapshot: Snapshot, income: _Income) -> dict[str, object]:
    payment = snapshot.payment
    # The token that the row names, else the one that the chain shows, else the first that was asked for.
    option = _named_option(payment) or income.option or payment.options[0]
    return {
        **payment_body(snapshot),
        "source": Source.PEER.value,
        "status": payment.status.value,
        "previous_status": PaymentStatus.INITIATED.value,
        "signature": payment.signature or income.signature or "",
        "paid_at": None if income.paid_at is None else income.paid_at.isoformat(),
        "mint": mint_text(option.mint),
        "decimals": _decimals(snapshot, option) or 0,
        "received": amounts_text(income.received),
        "surplus": amounts_text(income.surplus),
    }


def _named_option(payment: Payment) -> PaymentOption | None:
    return next((option for option in payment.options if option.token_id == payment.paid_token_id), None)


def _decimals(snapshot: Snapshot, option: PaymentOption) -> int | None:
    return SOL_DECIMALS if option.mint is None else snapshot.decimals.get(option.mint)
