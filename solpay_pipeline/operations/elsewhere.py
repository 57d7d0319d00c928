"""Payments that somebody else accepted, the peer's verify endpoint above all: found by their rows, told once.

The peer has sent its own signal by then, so that only the webhook and the Python handlers are told (`source` is
`peer`). What came in is read from the chain where its history still has it; the acceptance itself is not questioned.
"""

from collections.abc import Sequence

from solpay_pipeline.ledger import acceptances, outbox
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.entries import RunRef
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.reasons import Finding
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, PaymentOption, PaymentStatus, Wallet
from solpay_pipeline.operations.errand import Errand
from solpay_pipeline.operations.survey import Sight, judge_sights, survey
from solpay_pipeline.operations.transitions import amounts_text, mint_text, payment_body
from solpay_pipeline.records.database import reading
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
        _tell(errand, await judge_sights(errand, sights))


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


def _tell(errand: Errand, judged: Sequence[tuple[Sight, Judgement | Finding]]) -> None:
    with errand.merchant.engine.begin() as connection:
        ids = [sight.payment.id for sight, _ in judged]
        ours = acceptances.claim(connection, ids, Source.PEER, errand.now())
        events = [
            Event(EventKind.PAYMENT_ACCEPTED, sight.payment.id, sight.wallet.id, _body(sight, found))
            for sight, found in judged
            if sight.payment.id in ours
        ]
        outbox.append(connection, events, RunRef(errand.run.run_id, _OPERATION), errand.now())


def _body(sight: Sight, found: Judgement | Finding) -> dict[str, object]:
    payment = sight.payment
    judgement = None if isinstance(found, Finding) else found
    option = _paid_option(sight, judgement)
    return {
        **payment_body(sight),
        "source": Source.PEER.value,
        "status": payment.status.value,
        "previous_status": PaymentStatus.INITIATED.value,
        "signature": payment.signature or (judgement.signature if judgement else None) or "",
        "paid_at": judgement.paid_at.isoformat() if judgement and judgement.paid_at else None,
        "mint": mint_text(option.mint),
        "decimals": SOL_DECIMALS if option.mint is None else sight.decimals.get(option.mint, 0),
        "received": {} if judgement is None else amounts_text(judgement.received),
        "surplus": {} if judgement is None else amounts_text(judgement.surplus),
    }


def _paid_option(sight: Sight, judgement: Judgement | None) -> PaymentOption:
    """The token that the row names, else the one that the chain shows, else the first that was asked for."""
    payment = sight.payment
    named = [option for option in payment.options if option.token_id == payment.paid_token_id]
    if named:
        return named[0]
    return judgement.option if judgement and judgement.option else payment.options[0]
