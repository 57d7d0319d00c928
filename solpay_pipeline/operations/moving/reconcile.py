"""Look, decide, move, look again: until the chain itself shows that nothing is left to do.

A wallet's final state is only ever written on what a read of the chain shows, never on the word of a transaction,
so the last look of every wallet is the proof.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from solpay_pipeline.base.concurrently import both
from solpay_pipeline.base.database import reading
from solpay_pipeline.ledger import transactions
from solpay_pipeline.lifecycle.findings import Code, Finding
from solpay_pipeline.lifecycle.terms import Wallet
from solpay_pipeline.operations.changes.transitions import set_aside
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.looking.snapshots import Sight, survey
from solpay_pipeline.operations.moving.execution import Job, Mover, Result, Turn
from solpay_pipeline.records.queries import wallets_of_payments
from solpay_pipeline.records.rows import UnreadableRow

# A wallet with many token accounts needs a transaction for every few of them; a wallet that spoils one, two more.
_MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Decision:
    """`jobs` are to be moved; `again` are wallets whose row we changed and that want another look."""

    jobs: tuple[Job, ...] = ()
    again: tuple[Wallet, ...] = ()


Decide = Callable[[Sequence[Sight]], Awaitable[Decision]]
GiveUp = Callable[[Wallet, Finding], None]


async def work_through(
    errand: Errand, wallets: Sequence[Wallet], mover: Mover, decide: Decide, give_up: GiveUp
) -> None:
    """Bring wallets to rest. `give_up` gets those that cannot be moved, with the reason."""
    pending = list(wallets)
    min_slot = errand.chain_slot
    alone: set[int] = set()
    for _ in range(_MAX_ROUNDS):
        pending = without_busy(errand, pending)
        if not pending or errand.must_stop():
            break
        sights, _ = await both(
            survey(errand, pending, commitment=errand.merchant.commitment, min_context_slot=min_slot),
            errand.ask_fee_early(),
        )
        decision = await decide(sights)
        if errand.options.dry_run:
            await mover.plan_only(decision.jobs)
            pending = list(decision.again)
            continue
        results = await mover.move(decision.jobs, alone=alone) if decision.jobs else []
        errand.tally.skipped += sum(result.turn is Turn.SKIPPED for result in results)
        errand.tally.in_flight += sum(result.turn is Turn.IN_FLIGHT for result in results)
        min_slot = max([min_slot, *(result.slot for result in results)])
        again = _again(results, alone, give_up)
        set_aside(errand, [one.finding for one in results if one.turn is Turn.WAITS and one.finding])
        pending = [*decision.again, *_reloaded(errand, again)]
    for wallet in [] if errand.tally.stopped_reason != "done" else pending:
        payment_id = None if wallet.payment is None else wallet.payment.id
        words = f"not at rest after {_MAX_ROUNDS} rounds; the next run goes on"
        give_up(wallet, Finding(Code.STILL_MOVING, wallet.id, payment_id, words))


def readable(
    errand: Errand, page: Sequence[Wallet | UnreadableRow], *, is_counted: bool = True
) -> list[Wallet]:
    """The wallets of a page that can be worked on; the others are set aside with their reason."""
    wallets: list[Wallet] = []
    findings: list[Finding] = []
    for row in page:
        if isinstance(row, UnreadableRow):
            findings.append(Finding(Code.UNREADABLE_ROW, row.wallet_id, row.payment_id, row.reason))
        elif row.payment is None:
            words = "no payment points at this wallet; its address and what it holds cannot be told"
            findings.append(Finding(Code.NO_PAYMENT, row.id, None, words))
        else:
            wallets.append(row)
    errand.tally.looked_at += len(page) if is_counted else 0
    if findings:
        set_aside(errand, findings)
    return wallets


def without_busy(errand: Errand, wallets: Sequence[Wallet]) -> list[Wallet]:
    """Leave out wallets with a leg in flight: the ledger will settle them first."""
    if not wallets:
        return []
    with reading(errand.merchant.engine) as connection:
        busy = transactions.busy_wallets(connection, [wallet.id for wallet in wallets])
    errand.tally.in_flight += len(busy)
    return [wallet for wallet in wallets if wallet.id not in busy]


def _again(results: Sequence[Result], alone: set[int], give_up: GiveUp) -> list[Wallet]:
    again = []
    for result in results:
        wallet = result.wallet
        match result.turn:
            case Turn.LANDED | Turn.AGAIN:
                again.append(wallet)
            case Turn.SPOILED if wallet.id not in alone:
                alone.add(wallet.id)
                again.append(wallet)
            case Turn.SPOILED | Turn.SET_ASIDE if result.finding is not None:
                give_up(wallet, result.finding)
            case _:
                pass
    return again


def _reloaded(errand: Errand, wallets: Sequence[Wallet]) -> list[Wallet]:
    """The rows as they are now: the shop goes on working while we do."""
    ids = [wallet.payment.id for wallet in wallets if wallet.payment is not None]
    if not ids:
        return []
    with reading(errand.merchant.engine) as connection:
        rows = wallets_of_payments(connection, errand.merchant.tables, ids)
    return [row for row in rows if isinstance(row, Wallet)]
