"""What follows for payments from what their histories show: one way for all operations, which differ by a policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.history import HistoryUnfinished
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.policy import Policy, Step
from solpay_pipeline.lifecycle.resolution import resolve
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import ACCEPTED, Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.looking.external_movements import AccountsUnseen, went_home
from solpay_pipeline.operations.looking.own_addresses import with_own_address
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

    A payment that cannot be judged, or whose address is not its wallet's, is set aside and stays as it is.
    """
    sorted_out: dict[Step, list[Snapshot]] = {step: [] for step in Step}
    judgements: dict[int, Judgement] = {}
    findings: list[Finding] = []
    for snapshot, judged in await judge_snapshots(context, with_own_address(context, snapshots)):
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
    paid = [(one, judgements[one.payment.id]) for one in sorted_out[Step.ACCEPT]]
    accepted = context.books.accept(_credited_once(context, paid))
    sorted_out[Step.EXPIRE] = [
        one
        for one in sorted_out[Step.EXPIRE]
        if not judgements[one.payment.id].received or await _is_told(context, one)
    ]
    _wait(context, sorted_out)
    released = [*sorted_out[Step.RELEASE], *_leave_to_reclaim(context, sorted_out[Step.RECLAIM])]
    as_given = {one.wallet.id: one for one in snapshots}
    return Resolved(
        accepted=accepted,
        closable=_closable(context, sorted_out),
        released=[as_given[one.wallet.id] for one in released],
    )


async def _is_told(context: OperationContext, snapshot: Snapshot) -> bool:
    """Tell where money went that was too little and was moved on; an operator decides whose it is now.

    False where the run's time was too short to find out.
    """
    try:
        context.books.note(await went_home(context, snapshot))
    except (HistoryUnfinished, AccountsUnseen):
        return False
    return True


def _credited_once(
    context: OperationContext, paid: Sequence[tuple[Snapshot, Judgement]]
) -> list[tuple[Snapshot, Judgement]]:
    """One transfer pays one payment: of several with one address the first is credited, and all are set aside."""
    sharing: dict[Pubkey, list[Wallet]] = {}
    for row in context.records.of_one_address([snapshot.payment.address for snapshot, _ in paid]):
        if isinstance(row, Wallet) and row.payment is not None:
            sharing.setdefault(row.payment.address, []).append(row)
    words = (
        "another payment has the same address: one transfer cannot pay both, and only the first is credited"
    )
    context.books.note(
        [
            Finding.about(one, FindingCode.DUPLICATE_ADDRESS, words)
            for same in sharing.values()
            for one in same
        ]
    )
    return [
        (snapshot, judgement)
        for snapshot, judgement in paid
        if _is_first(snapshot, sharing.get(snapshot.payment.address, []))
    ]


def _is_first(snapshot: Snapshot, sharing: Sequence[Wallet]) -> bool:
    others = [one.payment for one in sharing if one.payment is not None and one.id != snapshot.wallet.id]
    return not any(one.status in ACCEPTED or one.id < snapshot.payment.id for one in others)


def expired_by_others(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Those whose payment we have not expired ourselves: the peer does it by the clock, without a look at the chain.

    Left out, and counted, are those that were over before this ledger began, and before anything was watched: a shop
    with years of history is taken over by its balances alone. An operator who names payments has their histories read.
    """
    if not snapshots:
        return []
    ours = context.records.expired_by_us([one.payment.id for one in snapshots])
    others = [one for one in snapshots if one.payment.id not in ours]
    began_at = context.records.began_at()
    if began_at is None or context.options.payment_ids is not None:
        return others
    first = began_at - timedelta(days=context.options.watch_days)
    young = [one for one in others if one.payment.expires_at >= first]
    context.tally.before_our_time += len(others) - len(young)
    return young


def _wait(context: OperationContext, sorted_out: Mapping[Step, Sequence[Snapshot]]) -> None:
    """A wallet that a request of the peer's has moved on is as created again, unless it holds what was asked for."""
    waiting = sorted_out[Step.WAIT_AS_CREATED]
    empty = [one.wallet for one in waiting if not _holds_what_was_asked_for(one)]
    context.tally.returned += len(context.books.change_state(empty, WalletState.CREATED))
    context.tally.waiting += len(sorted_out[Step.WAIT]) + len(waiting) - len(empty)


def _holds_what_was_asked_for(snapshot: Snapshot) -> bool:
    balances = snapshot.holdings.balances()
    return any(balances.get(mint) for mint in (None, *snapshot.payment.mints))


def _leave_to_reclaim(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Expired and empty: swept before if the ledger says so, else their accounts are to be closed.

    Returns those that we have swept and whose accounts are still open: who swept them closes these as well.
    """
    if not snapshots:
        return []
    moved = context.records.moved_home([one.wallet.id for one in snapshots])
    ours = [one for one in snapshots if one.wallet.id in moved]
    context.books.rest_swept([one for one in ours if not one.holdings.accounts])
    others = [one.wallet for one in snapshots if one.wallet.id not in moved]
    context.books.change_state(others, WalletState.PAYMENT_EXPIRED)
    return [one for one in ours if one.holdings.accounts]


def _closable(context: OperationContext, sorted_out: Mapping[Step, Sequence[Snapshot]]) -> list[Wallet]:
    """The peer's own commands leave a wallet `created` whose payment they expire; it becomes like the others."""
    wallets = [one.wallet for one in sorted_out[Step.CLOSE]]
    left_behind = [wallet for wallet in wallets if wallet.state is WalletState.CREATED]
    return [
        *(wallet for wallet in wallets if wallet.state is not WalletState.CREATED),
        *context.books.expire(sorted_out[Step.EXPIRE]),
        *context.books.change_state(left_behind, WalletState.PAYMENT_EXPIRED),
    ]


def _unknown(snapshot: Snapshot, address: Pubkey, why: str) -> Finding:
    if address == snapshot.holdings.owner:
        words = f"what it holds cannot be read: {why}"
        return Finding.about(snapshot.wallet, FindingCode.HISTORY_UNREADABLE, words)
    return replace(
        Finding.about(snapshot.wallet, FindingCode.MINT_UNREADABLE, f"mint {address}: {why}"), mint=address
    )


def _unclear(snapshot: Snapshot) -> list[Finding]:
    """The findings for a payment of which nobody can say when it was made, or what its wallet holds."""
    wallet = snapshot.wallet
    unreadable = snapshot.holdings.unknown_of(snapshot.payment.mints)
    if unreadable:
        return [_unknown(snapshot, address, why) for address, why in unreadable.items()]
    words = "the node does not say when its transactions were made; it will be looked at again"
    return [Finding.about(wallet, FindingCode.UNDATED, words)]
