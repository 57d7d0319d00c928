"""Recheck: initiated payments are looked up on chain; what was paid is accepted, told and sent home.

Those that waited longest since they were last looked at come first, so that a limit starves none. A payment that is
not paid is not changed, and nothing is created on chain.
"""

from collections.abc import Sequence

from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import recheck_queue
from solpay_pipeline.lifecycle.findings import Finding
from solpay_pipeline.lifecycle.judgement import Judgement, Standing, covers
from solpay_pipeline.lifecycle.terms import PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes import transitions
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.judging import unclear
from solpay_pipeline.operations.looking.snapshots import Sight, judge_sights, survey
from solpay_pipeline.operations.moving.reconcile import readable, without_busy
from solpay_pipeline.operations.sweep import Sweeper
from solpay_pipeline.records.queries import payment_ids_with_status, wallets_of_payments


async def recheck(errand: Errand) -> None:
    """Look at up to `limit` payments, where there is one."""
    ids = _chosen(errand)
    sweeper = Sweeper.of(errand)
    for start in range(0, len(ids), errand.options.page_size):
        if errand.must_stop():
            return
        page = ids[start : start + errand.options.page_size]
        with reading(errand.merchant.engine) as connection:
            rows = wallets_of_payments(connection, errand.merchant.tables, page)
        accepted = await _look(errand, without_busy(errand, readable(errand, rows)))
        if not errand.options.dry_run:
            with errand.merchant.engine.begin() as connection:
                recheck_queue.looked_at(connection, page, errand.now())
        if errand.options.forward_funds:
            await sweeper.sweep(accepted)


def _is_deep(errand: Errand) -> bool:
    """A recheck of a day or of named payments asks history of every one, and of expired ones too."""
    return errand.options.payment_ids is not None or errand.options.created_from is not None


def _chosen(errand: Errand) -> list[int]:
    options = errand.options
    statuses = {PaymentStatus.INITIATED}
    if _is_deep(errand):
        statuses.add(PaymentStatus.EXPIRED)
    with reading(errand.merchant.engine) as connection:
        candidates = payment_ids_with_status(
            connection,
            errand.merchant.tables,
            statuses=statuses,
            created_from=options.created_from,
            created_until=options.created_until,
            payment_ids=options.payment_ids,
        )
        return recheck_queue.longest_unseen(connection, candidates, options.limit)


async def _look(errand: Errand, wallets: Sequence[Wallet]) -> list[Wallet]:
    sights = await survey(
        errand, wallets, commitment=errand.merchant.acceptance, min_context_slot=errand.chain_slot
    )
    worth_a_look = [sight for sight in sights if _is_deep(errand) or _may_be_paid(errand, sight)]
    errand.tally.waiting += len(sights) - len(worth_a_look)
    paid: list[tuple[Sight, Judgement]] = []
    for sight, judged in await judge_sights(errand, worth_a_look):
        if isinstance(judged, Finding):
            transitions.set_aside(errand, [judged])
        elif judged.standing is Standing.PAID:
            paid.append((sight, judged))
        elif judged.standing is Standing.UNDATED:
            transitions.set_aside(errand, unclear(sight))
        else:
            errand.tally.waiting += 1
    return transitions.accept(errand, paid)


def _may_be_paid(errand: Errand, sight: Sight) -> bool:
    """Its balance covers a price, or somebody was at the wallet, so that its balance does not tell all."""
    return (
        covers(sight.payment, sight.holdings.balances(), sight.decimals, errand.options.tolerance)
        or sight.wallet.state is not WalletState.CREATED
    )
