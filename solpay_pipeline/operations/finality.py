"""Follows what was accepted until the customer's transfer is final, or a fork has taken it back.

Transfers are asked about 256 a call, none by itself. What has no status is looked at by what the finalized chain holds:
balances first, then histories. That a fork has taken a transfer back is concluded only where its slot is final, no
endpoint has a status of it, and neither balance nor history shows the money.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

from solders.pubkey import Pubkey

from solpay_pipeline.chain.rpc.answers import SignatureStatus, Untold
from solpay_pipeline.chain.rpc.errors import ChainError
from solpay_pipeline.ledger.seen.followed import Followed
from solpay_pipeline.ledger.tables import FollowState
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, Commitment, Wallet
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.finality import Case, Final, Returned, TakenBack
from solpay_pipeline.operations.looking.snapshots import judge_snapshots, take_snapshots

_Status = SignatureStatus | Untold | None


async def follow_acceptances(context: OperationContext) -> None:
    """Ask once a run about each acceptance that is not known to be final."""
    after = 0
    while not context.must_stop():
        page = context.finality.page(
            after=after, limit=context.options.page_size, payment_ids=context.options.payment_ids
        )
        if not page:
            return
        after = page[-1].id
        await _follow(context, _standing(context, page))
        context.finality.asked(page)


def _standing(context: OperationContext, page: Sequence[Followed]) -> list[Case]:
    """Those whose payments are there and accepted; an id may be another payment's after a restore."""
    rows = context.records.of_payments([one.paid.payment_id for one in page])
    wallets = {
        (row.payment.id, row.payment.address): row
        for row in rows
        if isinstance(row, Wallet) and row.payment is not None and row.payment.status in ACCEPTED
    }
    found = [(one, wallets.get((one.paid.payment_id, one.paid.address))) for one in page]
    context.finality.forget([one for one, wallet in found if wallet is None])
    return [Case(one, wallet) for one, wallet in found if wallet is not None]


async def _follow(context: OperationContext, cases: Sequence[Case]) -> None:
    statuses = await _statuses(context, cases)
    final: list[Final] = []
    returned: list[Returned] = []
    doubtful: list[Case] = []
    for case in cases:
        paid, status = case.followed.paid, statuses.get(case.followed.id)
        if isinstance(status, Untold) or _is_pending(context, status):
            continue
        if status is None or status.err is not None or paid.signature is None:
            doubtful.append(case)
        elif status.confirmation is not Commitment.FINALIZED:
            if case.followed.state is FollowState.REVERTED:
                returned.append(Returned(case, paid.signature, status.slot))
        elif status.slot <= paid.seen_slot:
            final.append(Final(case, paid.signature))
        else:
            # It landed on another fork than that which was seen: what paid beside it may be missing there.
            doubtful.append(case)
    context.finality.finalize(final)
    context.finality.go_on(returned)
    newest = max((one.slot for one in filter(_is_final, statuses.values())), default=0)
    await _decide(context, doubtful, newest)


async def _statuses(context: OperationContext, cases: Sequence[Case]) -> dict[int, _Status]:
    """By the acceptance's id; nothing is asked where no transfer is named."""
    named = [(case.followed.id, case.followed.paid.signature) for case in cases]
    asked = [(number, signature) for number, signature in named if signature is not None]
    answer = await context.rpc.statuses([signature for _, signature in asked], search_history=True)
    return {number: status for (number, _), status in zip(asked, answer.statuses, strict=True)}


def _is_pending(context: OperationContext, status: SignatureStatus | None) -> bool:
    """Neither as settled as an acceptance asks for, nor failed for good."""
    if status is None:
        return False
    if status.err is not None:
        return status.confirmation is not Commitment.FINALIZED
    return not context.deployment.acceptance.reached_by(status.confirmation)


def _is_final(status: _Status) -> TypeGuard[SignatureStatus]:
    return isinstance(status, SignatureStatus) and status.confirmation is Commitment.FINALIZED


async def _decide(context: OperationContext, doubtful: Sequence[Case], newest: int) -> None:
    """Decide by the finalized chain, once all is final there that was seen when the payment was accepted.

    `newest` is a slot that is known to be final.
    """
    if not doubtful:
        return
    slot = max(newest, await context.rpc.slot(Commitment.FINALIZED))
    cases = {case.wallet.id: case for case in doubtful if case.followed.paid.seen_slot < slot}
    as_final = _by_the_finalized_chain(context, slot)
    snapshots = await take_snapshots(
        as_final,
        [case.wallet for case in cases.values()],
        commitment=Commitment.FINALIZED,
        min_context_slot=slot,
    )
    home = context.finality.final_home(list(cases))
    final: list[Final] = []
    unexplained: list[Snapshot] = []
    for one in snapshots:
        case = cases[one.wallet.id]
        if _is_there(case.followed, one, home.get(one.wallet.id, {})):
            final.append(Final(case, case.followed.paid.signature))
        else:
            unexplained.append(one)
    gone: list[Snapshot] = []
    unknown: list[Finding] = []
    for one, judged in await judge_snapshots(as_final, unexplained):
        if isinstance(judged, Finding):
            unknown.append(_unknown(cases[one.wallet.id], judged.explanation))
        elif judged.is_paid:
            final.append(Final(cases[one.wallet.id], judged.signature))
        else:
            gone.append(one)
    context.finality.finalize(final)
    context.books.note(unknown)
    await _take_back(context, cases, gone)


def _by_the_finalized_chain(context: OperationContext, slot: int) -> OperationContext:
    """The same operation, for which only what is final counts as having come in."""
    return replace(
        context, deployment=replace(context.deployment, acceptance=Commitment.FINALIZED), chain_slot=slot
    )


def _is_there(followed: Followed, snapshot: Snapshot, home: Mapping[Pubkey | None, int]) -> bool:
    """Whether the wallet holds, by the finalized chain, what paid, beside what of it has gone home for good."""
    paid = followed.paid
    return 0 < paid.amount <= snapshot.holdings.balances().get(paid.mint, 0) + home.get(paid.mint, 0)


async def _take_back(context: OperationContext, cases: Mapping[int, Case], gone: Sequence[Snapshot]) -> None:
    """What the finalized chain does not hold may have landed again meanwhile; else a fork has taken it back."""
    if not gone:
        return
    known = await _known_to_others(context, [cases[one.wallet.id] for one in gone])
    returned: list[Returned] = []
    taken_back: list[TakenBack] = []
    unknown: list[Finding] = []
    for one, judged in await judge_snapshots(context, gone):
        case = cases[one.wallet.id]
        if isinstance(judged, Finding):
            unknown.append(_unknown(case, judged.explanation))
        elif judged.is_paid and judged.signature is not None:
            returned.append(Returned(case, judged.signature, one.holdings.slot))
        elif case.followed.id in known:
            words = "one endpoint knows it, and by another its money has never come in"
            unknown.append(_unknown(case, words))
        else:
            taken_back.append(TakenBack(case, judged.received))
    context.finality.go_on(returned)
    context.finality.revert(taken_back)
    context.books.note(unknown)


async def _known_to_others(context: OperationContext, cases: Sequence[Case]) -> set[int]:
    """Those of these acceptances, by id, of whose transfer any endpoint has a status of success.

    One that cannot answer is no witness.
    """
    known: set[int] = set()
    witnesses = context.rpc.witnesses()
    for witness in witnesses if len(witnesses) > 1 else ():
        try:
            answers = await _statuses(replace(context, rpc=witness), cases)
        except ChainError:
            continue
        known.update(
            number for number, one in answers.items() if isinstance(one, SignatureStatus) and one.err is None
        )
    return known


def _unknown(case: Case, why: str) -> Finding:
    signature = case.followed.paid.signature
    transfer = "what paid it" if signature is None else f"transfer {signature}, which paid it,"
    words = f"it cannot be told whether {transfer} is final: {why}"
    return Finding.about(case.wallet, FindingCode.FINALITY_UNKNOWN, words)
