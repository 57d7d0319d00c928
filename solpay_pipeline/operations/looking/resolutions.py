"""What follows for payments from what their histories show: one way for all operations, which differ by a policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.policy import Policy, Step
from solpay_pipeline.lifecycle.resolution import resolve
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.external_movements import went_home
from solpay_pipeline.operations.looking.snapshots import judge_snapshots


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the caller goes on with: wallets as they are now, and snapshots as they were handed in.

    `accepted` are to be swept, `closable` are empty ones of expired payments, `released` hold money that may go.
    """

    accepted: list[Wallet] = field(default_factory=list)
    closable: list[Wallet] = field(default_factory=list)
    released: list[Snapshot] = field(default_factory=list)


async def judge_and_resolve(
    context: OperationContext, snapshots: Sequence[Snapshot], policy: Policy
) -> Resolved:
    """Judge payments by the histories of their wallets, and do what the policy says.

    A payment that cannot be judged is set aside and stays as it is.
    """
    sorted_out: dict[Step, list[Snapshot]] = {step: [] for step in Step}
    judgements: dict[int, Judgement] = {}
    findings: list[Finding] = []
    for snapshot, judged in await judge_snapshots(context, snapshots):
        if isinstance(judged, Finding):
            findings.append(judged)
            continue
        judgements[snapshot.payment.id] = judged
        resolution = resolve(snapshot.payment, snapshot.holdings, judged, context.chain_time)
        step = policy.step(judged, resolution)
        if step is Step.HOLD and resolution.label is not None:
            context.books.hold(snapshot, resolution.label)
        sorted_out[step].append(snapshot)
    for snapshot in sorted_out[Step.SET_ASIDE]:
        findings += _unclear(snapshot)
    context.books.note(findings)
    paid = [(snapshot, judgements[snapshot.payment.id]) for snapshot in sorted_out[Step.ACCEPT]]
    accepted = context.books.accept(paid)
    for snapshot in sorted_out[Step.EXPIRE]:
        if judgements[snapshot.payment.id].received:
            # It was too little, and somebody has moved it on: an operator decides whose it is now.
            context.books.note(await went_home(context, snapshot))
    _wait(context, sorted_out)
    _leave_to_reclaim(context, sorted_out[Step.RECLAIM])
    as_given = {snapshot.wallet.id: snapshot for snapshot in snapshots}
    return Resolved(
        accepted=accepted,
        closable=_closable(context, sorted_out),
        released=[as_given[snapshot.wallet.id] for snapshot in sorted_out[Step.RELEASE]],
    )


def expired_by_others(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Those whose payment we have not expired ourselves: the peer does it by the clock, without a look at the chain."""
    if not snapshots:
        return []
    ours = context.records.expired_by_us([snapshot.payment.id for snapshot in snapshots])
    return [snapshot for snapshot in snapshots if snapshot.payment.id not in ours]


def _wait(context: OperationContext, sorted_out: Mapping[Step, Sequence[Snapshot]]) -> None:
    """A wallet that a request of the peer's has moved on, and that is empty, is as created again."""
    waiting = sorted_out[Step.WAIT_AS_CREATED]
    empty = [snapshot.wallet for snapshot in waiting if snapshot.holdings.is_empty]
    context.tally.returned += len(context.books.change_state(empty, WalletState.CREATED))
    context.tally.waiting += len(sorted_out[Step.WAIT]) + len(waiting) - len(empty)


def _leave_to_reclaim(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    """Expired and empty: swept before if the ledger says so, else their accounts are to be closed."""
    if not snapshots:
        return
    ours = context.records.gone_home([snapshot.wallet.id for snapshot in snapshots])
    context.books.rest_swept([snapshot for snapshot in snapshots if snapshot.wallet.id in ours])
    others = [snapshot.wallet for snapshot in snapshots if snapshot.wallet.id not in ours]
    context.books.change_state(others, WalletState.PAYMENT_EXPIRED)


def _closable(context: OperationContext, sorted_out: Mapping[Step, Sequence[Snapshot]]) -> list[Wallet]:
    """The peer's own commands leave a wallet `created` whose payment they expire; it becomes like the others."""
    wallets = [snapshot.wallet for snapshot in sorted_out[Step.CLOSE]]
    left_behind = [wallet for wallet in wallets if wallet.state is WalletState.CREATED]
    return [
        *(wallet for wallet in wallets if wallet.state is not WalletState.CREATED),
        *context.books.expire(sorted_out[Step.EXPIRE]),
        *context.books.change_state(left_behind, WalletState.PAYMENT_EXPIRED),
    ]


def _unclear(snapshot: Snapshot) -> list[Finding]:
    """The findings for a payment of which nobody can say when it was made, or what its wallet holds."""
    wallet_id, payment_id = snapshot.wallet.id, snapshot.payment.id
    if snapshot.holdings.unreadable:
        return [
            Finding(FindingCode.MINT_UNREADABLE, wallet_id, payment_id, f"mint {mint}: {why}", mint)
            for mint, why in snapshot.holdings.unreadable.items()
        ]
    words = "the node does not say when its transactions were made; it will be looked at again"
    return [Finding(FindingCode.UNDATED, wallet_id, payment_id, words)]
