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
from solpay_pipeline.ledger.transactions import RunRef
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.judgement import Judgement, beyond
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, Payment, PaymentOption, PaymentStatus, Wallet
from solpay_pipeline.operations.changes.transitions import amounts_text, mint_text, payment_body
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.snapshots import Sight, judge_sights, survey
from solpay_pipeline.records.queries import payment_ids_with_status, wallets_of_payments

# `processed` is what the peer writes and takes back in one transaction: it never stands.
_ACCEPTED = frozenset({PaymentStatus.CONFIRMED, PaymentStatus.FINALIZED})

# Under this name such events stand in the ledger: no operation of ours has accepted them.
_OPERATION = "elsewhere"


async def tell_accepted_elsewhere(errand: Errand) -> None:
    """Write the events of payments that became accepted without us since the last run."""
    if errand.options.dry_run:
        return
    _begin(errand)
    after = 0
    while not errand.must_stop():
        page = _page(errand, after)
        if not page:
            return
        after = page[-1]
        with reading(errand.merchant.engine) as connection:
            rows = wallets_of_payments(connection, errand.merchant.tables, page)
        # A row that nobody can read is set aside by the operation that meets it.
        wallets = [row for row in rows if isinstance(row, Wallet)]
        sights = await survey(
            errand, wallets, commitment=errand.merchant.acceptance, min_context_slot=errand.chain_slot
        )
        _tell(errand, await _came_in(errand, sights))


@dataclass(frozen=True, slots=True)
class _Income:
    """What came in for a payment, in base units by mint, as far as the chain still shows it."""

    received: Mapping[Pubkey | None, int] = field(default_factory=dict)
    surplus: Mapping[Pubkey | None, int] = field(default_factory=dict)
    option: PaymentOption | None = None
    signature: str | None = None
    paid_at: datetime | None = None


async def _came_in(errand: Errand, sights: Sequence[Sight]) -> list[tuple[Sight, _Income]]:
    """By what the wallets hold, which costs nothing more; the history is read only of those that are empty again."""
    emptied = [sight for sight in sights if sight.holdings.is_empty]
    found = [(sight, _in_history(judged)) for sight, judged in await judge_sights(errand, emptied)]
    return found + [(sight, _in_hand(sight)) for sight in sights if not sight.holdings.is_empty]


def _in_history(judged: Judgement | Finding) -> _Income:
    if isinstance(judged, Finding):
        return _Income()
    return _Income(judged.received, judged.surplus, judged.option, judged.signature, judged.paid_at)


def _in_hand(sight: Sight) -> _Income:
    held = sight.holdings.balances()
    shown = [option for option in sight.payment.options if held.get(option.mint)]
    option = _named_option(sight.payment) or (shown[0] if shown else None)
    places = None if option is None else _decimals(sight, option)
    if option is None or places is None:
        return _Income(held, option=option)
    return _Income(held, beyond(held, option.mint, option.base_units(places)), option)


def _begin(errand: Errand) -> None:
    merchant = errand.merchant
    with reading(merchant.engine) as connection:
        if acceptances.has_begun(connection):
            return
    with merchant.engine.begin() as connection:
        accepted = payment_ids_with_status(connection, merchant.tables, statuses=_ACCEPTED)
        acceptances.begin(connection, accepted, errand.now())


def _page(errand: Errand, after: int) -> list[int]:
    merchant, options = errand.merchant, errand.options
    with reading(merchant.engine) as connection:
        accepted = payment_ids_with_status(
            connection, merchant.tables, statuses=_ACCEPTED, payment_ids=options.payment_ids
        )
        return acceptances.unclaimed(connection, accepted, after=after, limit=options.page_size)


def _tell(errand: Errand, told: Sequence[tuple[Sight, _Income]]) -> None:
    with errand.merchant.engine.begin() as connection:
        ids = [sight.payment.id for sight, _ in told]
        ours = acceptances.claim(connection, ids, Source.PEER, errand.now())
        events = [
            Event(EventKind.PAYMENT_ACCEPTED, sight.payment.id, sight.wallet.id, _body(sight, income))
            for sight, income in told
            if sight.payment.id in ours
        ]
        outbox.append(connection, events, RunRef(errand.run.run_id, _OPERATION), errand.now())


def _body(sight: Sight, income: _Income) -> dict[str, object]:
    payment = sight.payment
    # The token that the row names, else the one that the chain shows, else the first that was asked for.
    option = _named_option(payment) or income.option or payment.options[0]
    return {
        **payment_body(sight),
        "source": Source.PEER.value,
        "status": payment.status.value,
        "previous_status": PaymentStatus.INITIATED.value,
        "signature": payment.signature or income.signature or "",
        "paid_at": None if income.paid_at is None else income.paid_at.isoformat(),
        "mint": mint_text(option.mint),
        "decimals": _decimals(sight, option) or 0,
        "received": amounts_text(income.received),
        "surplus": amounts_text(income.surplus),
    }


def _named_option(payment: Payment) -> PaymentOption | None:
    return next((option for option in payment.options if option.token_id == payment.paid_token_id), None)


def _decimals(sight: Sight, option: PaymentOption) -> int | None:
    return SOL_DECIMALS if option.mint is None else sight.decimals.get(option.mint)
