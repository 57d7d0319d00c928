"""Every change of a payment or a wallet, each with its event and its findings in one database transaction.

All are compare-and-set on the value that was read. Where somebody else was first, nothing of the change stays, and
the wallet is looked at again another time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from solders.pubkey import Pubkey
from sqlalchemy import Connection

from solpay_pipeline.chain.reading.addresses import TOKEN_PROGRAMS, associated_token_address
from solpay_pipeline.ledger import acceptances, findings, outbox, transactions
from solpay_pipeline.ledger.acceptances import Source
from solpay_pipeline.ledger.outbox import Event, EventKind
from solpay_pipeline.ledger.tables import MovementKind
from solpay_pipeline.ledger.transactions import LandedMovement
from solpay_pipeline.lifecycle.findings import HELD, Finding, FindingCode
from solpay_pipeline.lifecycle.holdings import mint_text
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.snapshot import Snapshot
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes.wallets import ChangedUnderneath, set_wallets
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.records.changes import PaidPayment, accept_payments, change_payments

Item = TypeVar("Item")

# Rows changed in one database transaction: enough to make commits cheap, few enough to keep locks short.
_BATCH = 1_000


def accept(context: OperationContext, paid: Sequence[tuple[Snapshot, Judgement]]) -> list[Wallet]:
    """Accept payments that the chain shows paid; returns their wallets, which become sweepable.

    An expired payment that was paid in time is accepted as well. One where somebody was first is left alone. Raises
    ValueError where a judgement names no completing transfer.
    """
    # By id, so that two runs that accept the same payments never wait for each other.
    in_order = sorted(paid, key=lambda one: one[0].payment.id)
    accepting = [_accepting(context, snapshot, judgement) for snapshot, judgement in in_order]

    def change(connection: Connection, batch: Sequence[_Accepting]) -> None:
        if not accept_payments(
            connection,
            context.deployment.tables,
            [one.paid for one in batch],
            to_status=PaymentStatus(context.deployment.acceptance),
            now=context.now(),
        ):
            raise ChangedUnderneath
        for state in {one.state for one in batch}:
            changing = [
                one.snapshot.wallet for one in batch if one.state is state is not one.snapshot.wallet.state
            ]
            set_wallets(connection, context, changing, state)
        ids = [one.snapshot.wallet.id for one in batch]
        findings.clear(connection, ids, {*HELD, *_JUDGED}, context.now())
        overpaid = [finding for one in batch for finding in _overpaid(one.snapshot, one.judgement)]
        findings.note(connection, overpaid, context.run, context.now())
        # Accepted, overwritten by the peer and accepted again: that was told the first time.
        untold = acceptances.claim(
            connection, [one.snapshot.payment.id for one in batch], Source.PIPELINE, context.now()
        )
        _tell(connection, context, [one.event for one in batch if one.snapshot.payment.id in untold])

    if _only_planned(context, EventKind.PAYMENT_ACCEPTED, len(accepting)):
        done = accepting
    else:
        done = _in_batches(context, accepting, change)
    return [one.wallet for one in done]


@dataclass(frozen=True, slots=True)
class _Accepting:
    """A payment that is to be accepted; `state` is what becomes of its wallet."""

    snapshot: Snapshot
    judgement: Judgement
    state: WalletState
    paid: PaidPayment
    wallet: Wallet
    event: Event


def _accepting(context: OperationContext, snapshot: Snapshot, judgement: Judgement) -> _Accepting:
    option, signature = judgement.option, judgement.signature
    if option is None or signature is None:
        raise ValueError(f"payment {snapshot.payment.id} has no completing transfer")
    status = PaymentStatus(context.deployment.acceptance)
    wallet, payment = snapshot.wallet, snapshot.payment
    # Money that has already gone home leaves the wallet as it is; all else becomes the next sweep's work.
    state = WalletState.SENT_FUNDS if _is_home(snapshot) else WalletState.PROCESSING_PAYMENT
    body = {
        **payment_body(snapshot),
        "source": Source.PIPELINE.value,
        "status": status.value,
        "previous_status": payment.status.value,
        "signature": signature,
        "paid_at": None if judgement.paid_at is None else judgement.paid_at.isoformat(),
        "mint": mint_text(option.mint),
        "decimals": SOL_DECIMALS if option.mint is None else snapshot.decimals[option.mint],
        "received": amounts_text(judgement.received),
        "surplus": amounts_text(judgement.surplus),
    }
    return _Accepting(
        snapshot=snapshot,
        judgement=judgement,
        state=state,
        paid=PaidPayment(payment.id, payment.status, signature, option.token_id),
        wallet=Wallet(
            wallet.id,
            state,
            replace(payment, status=status, signature=signature, paid_token_id=option.token_id),
        ),
        event=Event(EventKind.PAYMENT_ACCEPTED, payment.id, wallet.id, body),
    )


def expire(context: OperationContext, snapshots: Sequence[Snapshot]) -> list[Wallet]:
    """Expire payments whose wallets hold nothing; returns the wallets that are now `payment_expired`."""

    def change(connection: Connection, batch: Sequence[Snapshot]) -> None:
        events = _expire_payments(connection, context, batch)
        set_wallets(connection, context, [snapshot.wallet for snapshot in batch], WalletState.PAYMENT_EXPIRED)
        _tell(connection, context, events)
        findings.clear(
            connection, [snapshot.wallet.id for snapshot in batch], {*HELD, *_JUDGED}, context.now()
        )

    if _only_planned(context, EventKind.PAYMENT_EXPIRED, len(snapshots)):
        done = list(snapshots)
    else:
        done = _in_batches(context, snapshots, change)
    return [
        Wallet(
            snapshot.wallet.id,
            WalletState.PAYMENT_EXPIRED,
            replace(snapshot.payment, status=PaymentStatus.EXPIRED),
        )
        for snapshot in done
    ]


def expire_and_close(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    """Expire payments whose wallets hold nothing and have no accounts, and bring the wallets to rest with them.

    One database transaction for both: of a large table of unpaid payments that is what the time goes to.
    """

    def change(connection: Connection, batch: Sequence[Snapshot]) -> None:
        expired = _expire_payments(connection, context, batch)
        # A wallet as created has not been at rest before.
        closed = _rest(connection, context, batch, WalletState.CLOSED, EventKind.WALLET_CLOSED, told={})
        _tell(connection, context, [*expired, *closed])

    if context.options.dry_run:
        _only_planned(context, EventKind.PAYMENT_EXPIRED, len(snapshots))
        _only_planned(context, EventKind.WALLET_CLOSED, len(snapshots))
    else:
        _in_batches(context, snapshots, change)


def hold(context: OperationContext, snapshot: Snapshot, label: FindingCode) -> bool:
    """Keep money that does not pay its payment: the payment expires, the wallet becomes `received_funds`."""
    wallet, payment = snapshot.wallet, snapshot.payment
    held = _held(snapshot, label)

    def change(connection: Connection) -> None:
        if payment.status is PaymentStatus.INITIATED:
            _tell(connection, context, _expire_payments(connection, context, [snapshot]))
        if wallet.state is not WalletState.RECEIVED_FUNDS:
            set_wallets(connection, context, [wallet], WalletState.RECEIVED_FUNDS)
        before = findings.amounts_of(connection, wallet.id, HELD)
        has_changed = before != {(one.code, one.mint): one.amount for one in held}
        # What no longer stands must not be told again and again; what still does keeps its first date.
        findings.clear(connection, [wallet.id], {*HELD, *_JUDGED} if has_changed else _JUDGED, context.now())
        findings.note(connection, held, context.run, context.now())
        if has_changed:
            body = {
                **payment_body(snapshot),
                "label": label.value,
                "holds": amounts_text(snapshot.holdings.money()),
            }
            _tell(connection, context, [Event(EventKind.PAYMENT_HELD, payment.id, wallet.id, body)])

    if payment.status is PaymentStatus.INITIATED:
        _only_planned(context, EventKind.PAYMENT_EXPIRED, 1)
    if _only_planned(context, EventKind.PAYMENT_HELD, 1):
        context.tally.planned_findings.extend(held)
        return True
    return _in_one_transaction(context, change)


def mark_swept(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    """The chain shows these wallets empty after our own transactions, or somebody else's that went home."""
    _bring_to_rest(context, snapshots, WalletState.SENT_FUNDS, EventKind.WALLET_SWEPT)


def mark_closed(context: OperationContext, snapshots: Sequence[Snapshot]) -> None:
    """The chain shows these wallets of expired payments empty and their token accounts gone."""
    _bring_to_rest(context, snapshots, WalletState.CLOSED, EventKind.WALLET_CLOSED)


def _bring_to_rest(
    context: OperationContext, snapshots: Sequence[Snapshot], state: WalletState, kind: EventKind
) -> None:
    def change(connection: Connection, batch: Sequence[Snapshot]) -> None:
        told = outbox.last_bodies(connection, kind, [snapshot.payment.id for snapshot in batch])
        _tell(connection, context, _rest(connection, context, batch, state, kind, told))

    if not _only_planned(context, kind, len(snapshots)):
        _in_batches(context, snapshots, change)


def _rest(
    connection: Connection,
    context: OperationContext,
    batch: Sequence[Snapshot],
    state: WalletState,
    kind: EventKind,
    told: Mapping[int, Mapping[str, object]],
) -> list[Event]:
    """Bring wallets to rest; returns the events that tell of it, but for what has been `told` of a payment last.

    The peer's verify endpoint opens a wallet again whenever a customer's page asks; that is told only once.
    """
    ids = [snapshot.wallet.id for snapshot in batch]
    moved = transactions.landed_movements(connection, ids)
    receivers: dict[str | None, list[Wallet]] = {}
    for snapshot in batch:
        receiver = _receiver(context, moved[snapshot.wallet.id]) if state is WalletState.SENT_FUNDS else None
        receivers.setdefault(receiver, []).append(snapshot.wallet)
    for receiver, wallets in receivers.items():
        set_wallets(connection, context, wallets, state, receiver_address=receiver)
    # Money of an expired payment that went elsewhere stays told: closing its empty wallet brings nothing back.
    over = _STUCK if state is WalletState.SENT_FUNDS else _STUCK - {FindingCode.FUNDS_ELSEWHERE}
    findings.clear(connection, ids, {*HELD, *over}, context.now())
    events = []
    for snapshot in batch:
        movements = [movement.as_json() for movement in moved[snapshot.wallet.id]]
        before = told.get(snapshot.payment.id)
        if before is None or before["movements"] != movements:
            body = {**payment_body(snapshot), "movements": movements}
            if state is WalletState.SENT_FUNDS:
                body["receiver"] = _receiver(context, moved[snapshot.wallet.id])
            events.append(Event(kind, snapshot.payment.id, snapshot.wallet.id, body))
    return events


def _receiver(context: OperationContext, moved: Sequence[LandedMovement]) -> str:
    """Who has a wallet's money: the receiver of the settings, or of those by which it was last sent.

    What tells of another receiver of tokens alone is the token account that took them.
    """
    receiver = context.deployment.receiver
    for movement in reversed(moved):
        if movement.kind is MovementKind.LAMPORTS:
            return movement.destination
        if movement.kind is MovementKind.TOKENS and movement.mint is not None:
            mint = Pubkey.from_string(movement.mint)
            own = {str(associated_token_address(receiver, mint, program)) for program in TOKEN_PROGRAMS}
            return str(receiver) if movement.destination in own else movement.destination
    return str(receiver)


def move_to_state(context: OperationContext, wallets: Sequence[Wallet], state: WalletState) -> list[Wallet]:
    """Change wallets' states where no event tells of it; returns those that changed."""

    def change(connection: Connection, batch: Sequence[Wallet]) -> None:
        set_wallets(connection, context, batch, state)

    if context.options.dry_run:
        return [replace(wallet, state=state) for wallet in wallets]
    return [replace(wallet, state=state) for wallet in _in_batches(context, wallets, change)]


def set_aside(context: OperationContext, wallet_findings: Sequence[Finding]) -> None:
    """Store why some work was not done."""
    if context.options.dry_run:
        context.tally.planned_findings.extend(wallet_findings)
        return
    with context.deployment.engine.begin() as connection:
        findings.note(connection, wallet_findings, context.run, context.now())


# Findings that end when a payment has been judged, and those that end when a wallet is empty.
_JUDGED = frozenset(
    {
        FindingCode.UNDATED,
        FindingCode.HISTORY_UNREADABLE,
        FindingCode.UNREADABLE_ROW,
        FindingCode.MINT_UNREADABLE,
    }
)
_STUCK = frozenset(
    {
        FindingCode.KEY_UNREADABLE,
        FindingCode.KEY_MISMATCH,
        FindingCode.TOKEN_STUCK,
        FindingCode.ACCOUNT_STUCK,
        FindingCode.LAMPORTS_STUCK,
        FindingCode.DESTINATION_UNFIT,
        FindingCode.TOO_LARGE,
        FindingCode.TRANSACTION_FAILED,
        FindingCode.UNECONOMIC,
        FindingCode.STILL_MOVING,
        FindingCode.SPENDING_LIMIT,
        FindingCode.FUNDS_ELSEWHERE,
        *_JUDGED,
    }
)


def _only_planned(context: OperationContext, kind: EventKind, count: int) -> bool:
    """In a dry run, count what would happen and say so."""
    if context.options.dry_run:
        context.tally.planned[kind] += count
    return context.options.dry_run


def _expire_payments(
    connection: Connection, context: OperationContext, batch: Sequence[Snapshot]
) -> list[Event]:
    """Expire payments; returns the events that tell of it."""
    ids = {snapshot.payment.id for snapshot in batch}
    changed = change_payments(
        connection,
        context.deployment.tables,
        ids,
        from_status=PaymentStatus.INITIATED,
        to_status=PaymentStatus.EXPIRED,
        now=context.now(),
    )
    if changed != ids:
        raise ChangedUnderneath
    return [
        Event(EventKind.PAYMENT_EXPIRED, snapshot.payment.id, snapshot.wallet.id, payment_body(snapshot))
        for snapshot in batch
    ]


def _in_one_transaction(context: OperationContext, change: Callable[[Connection], None]) -> bool:
    try:
        with context.deployment.engine.begin() as connection:
            change(connection)
    except ChangedUnderneath:
        context.tally.skipped += 1
        return False
    return True


def _in_batches(
    context: OperationContext, items: Sequence[Item], change: Callable[[Connection, Sequence[Item]], None]
) -> list[Item]:
    """Apply a change to many; a batch in which somebody was first goes one by one."""
    done: list[Item] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        try:
            with context.deployment.engine.begin() as connection:
                change(connection, batch)
        except ChangedUnderneath:
            done.extend(
                item for item in batch if _in_one_transaction(context, partial(_change_one, change, item))
            )
        else:
            done.extend(batch)
    return done


def _change_one(
    change: Callable[[Connection, Sequence[Item]], None], item: Item, connection: Connection
) -> None:
    change(connection, [item])


def _tell(connection: Connection, context: OperationContext, events: Sequence[Event]) -> None:
    outbox.append(connection, events, context.run, context.now())


def _is_home(snapshot: Snapshot) -> bool:
    gone = snapshot.holdings.is_empty and not snapshot.holdings.tokens
    return gone and snapshot.wallet.state is WalletState.SENT_FUNDS


def _overpaid(snapshot: Snapshot, judgement: Judgement) -> list[Finding]:
    return [
        Finding(
            FindingCode.OVERPAID,
            snapshot.wallet.id,
            snapshot.payment.id,
            f"{amount} base units more than the price came in",
            mint,
            amount,
        )
        for mint, amount in judgement.surplus.items()
    ]


_HELD_WORDS = {
    FindingCode.SHORT: "less than the price came in before the payment's time was over",
    FindingCode.LATE: "it came in after the payment's time was over",
    FindingCode.UNEXPECTED: "it is no token that this payment could be paid in",
}


def _held(snapshot: Snapshot, label: FindingCode) -> list[Finding]:
    priced = {option.mint for option in snapshot.payment.options}
    held = []
    strays = snapshot.holdings.strays
    for mint, amount in snapshot.holdings.money().items():
        lies = snapshot.holdings.balances().get(mint, 0)
        code = label if mint in priced and lies else FindingCode.UNEXPECTED
        words = f"{amount} base units are held: {_HELD_WORDS[code]}"
        if mint is None and strays:
            words += f"; of them {_places(strays)}"
        held.append(Finding(code, snapshot.wallet.id, snapshot.payment.id, words, mint, amount))
    return held


def _places(strays: Mapping[Pubkey, int]) -> str:
    return ", ".join(
        f"{amount} lamports lie at its token account {account}" for account, amount in strays.items()
    )


def payment_body(snapshot: Snapshot) -> dict[str, object]:
    """What every event of a payment begins with."""
    payment = snapshot.payment
    return {
        "payment_id": payment.id,
        "payment_address": str(payment.address),
        "wallet_id": snapshot.wallet.id,
        "expires_at": payment.expires_at.isoformat(),
    }


def amounts_text(amounts: Mapping[Pubkey | None, int]) -> dict[str, str]:
    """Base units as decimal strings, by mint."""
    return {mint_text(mint): str(amount) for mint, amount in amounts.items()}
