"""Payments that others accepted, the peer's verify endpoint above all: found by their rows, reported once.

The peer has sent its own signal by then, so that only the webhook and the Python handlers get the event (`source` is
`peer`). What came in is what the chain still shows; the acceptance itself is not questioned.
"""

from collections.abc import Sequence
from dataclasses import replace

from solpay_pipeline.events.bodies import PaymentAccepted
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.judgement import Judgement, Standing, beyond
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, Payment, PaymentOption, PaymentStatus, Wallet
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.snapshots import judge_snapshots, take_snapshots

# Of such a payment nobody asks how it stands: it is accepted.
_UNKNOWN = Judgement(Standing.UNDATED)


async def report_external_acceptances(context: OperationContext) -> None:
    """Write the events of payments that became accepted without us since the last run."""
    context.books.begin_acceptances()
    after = 0
    while not context.must_stop():
        page = context.records.unreported_acceptances(after=after)
        if not page:
            return
        after = page[-1]
        # A row that nobody can read is set aside by the operation that meets it.
        wallets = [row for row in context.records.of_payments(page) if isinstance(row, Wallet)]
        snapshots = await take_snapshots(
            context, wallets, commitment=context.deployment.acceptance, min_context_slot=context.chain_slot
        )
        context.books.report_acceptances(
            [(snapshot, _body(snapshot, income)) for snapshot, income in await _came_in(context, snapshots)]
        )


async def _came_in(
    context: OperationContext, snapshots: Sequence[Snapshot]
) -> list[tuple[Snapshot, Judgement]]:
    """What the chain still shows to have come in: by what the wallets hold, which costs nothing more.

    The history is read only of those that are empty again.
    """
    emptied = [one for one in snapshots if one.holdings.is_empty]
    found = [
        (snapshot, _UNKNOWN if isinstance(judged, Finding) else judged)
        for snapshot, judged in await judge_snapshots(context, emptied)
    ]
    return found + [(one, _in_hand(one)) for one in snapshots if not one.holdings.is_empty]


def _in_hand(snapshot: Snapshot) -> Judgement:
    held = snapshot.holdings.balances()
    shown = [option for option in snapshot.payment.options if held.get(option.mint)]
    option = _named_option(snapshot.payment) or (shown[0] if shown else None)
    if option is None:
        return replace(_UNKNOWN, received=held)
    places = SOL_DECIMALS if option.mint is None else snapshot.decimals.get(option.mint)
    surplus = {} if places is None else beyond(held, option.mint, option.base_units(places))
    return replace(_UNKNOWN, option=option, received=held, surplus=surplus)


def _body(snapshot: Snapshot, income: Judgement) -> PaymentAccepted:
    """What the row names comes first, what the chain shows second."""
    payment = snapshot.payment
    option, signature = _named_option(payment) or income.option, payment.signature or income.signature
    return PaymentAccepted.of(
        snapshot,
        replace(income, option=option, signature=signature),
        source=Source.PEER,
        status=payment.status,
        previous_status=PaymentStatus.INITIATED,
    )


def _named_option(payment: Payment) -> PaymentOption | None:
    return next((option for option in payment.options if option.token_id == payment.paid_token_id), None)
