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
from solpay_pipeline.lifecycle.findings import HELD, Code, Finding
from solpay_pipeline.lifecycle.judgement import Judgement
from solpay_pipeline.lifecycle.terms import SOL_DECIMALS, PaymentStatus, Wallet, WalletState
from solpay_pipeline.operations.changes.wallets import set_wallets
from solpay_pipeline.operations.context.context import Errand
from solpay_pipeline.operations.context.errors import ChangedUnderneath
from solpay_pipeline.operations.looking.snapshots import Sight
from solpay_pipeline.records.changes import PaidPayment, accept_payments, change_payments

Item = TypeVar("Item")

# Rows changed in one database transaction: enough to make commits cheap, few enough to keep locks short.
_BATCH = 1_000


def accept(errand: Errand, paid: Sequence[tuple[Sight, Judgement]]) -> list[Wallet]:
    """Accept payments that the chain shows paid; returns their wallets, which become sweepable.

    An expired payment that was paid in time is accepted as well. One where somebody was first is left alone. Raises
    ValueError where a judgement names no completing transfer.
    """
    # By id, so that two runs that accept the same payments never wait for each other.
    in_order = sorted(paid, key=lambda one: one[0].payment.id)
    accepting = [_accepting(errand, sight, judgement) for sight, judgement in in_order]

    def change(connection: Connection, batch: Sequence[_Accepting]) -> None:
        if not accept_payments(
            connection,
            errand.merchant.tables,
            [one.paid for one in batch],
            to_status=PaymentStatus(errand.merchant.acceptance),
            now=errand.now(),
        ):
            raise ChangedUnderneath
        for state in {one.state for one in batch}:
            changing = [one.sight.wallet for one in batch if one.state is state is not one.sight.wallet.state]
            set_wallets(connection, errand, changing, state)
        ids = [one.sight.wallet.id for one in batch]
        findings.clear(connection, ids, {*HELD, *_JUDGED}, errand.now())
        overpaid = [finding for one in batch for finding in _overpaid(one.sight, one.judgement)]
        findings.note(connection, overpaid, errand.run, errand.now())
        # Accepted, overwritten by the peer and accepted again: that was told the first time.
        untold = acceptances.claim(
            connection, [one.sight.payment.id for one in batch], Source.PIPELINE, errand.now()
        )
        _tell(connection, errand, [one.event for one in batch if one.sight.payment.id in untold])

    if _only_planned(errand, EventKind.PAYMENT_ACCEPTED, len(accepting)):
        done = accepting
    else:
        done = _in_batches(errand, accepting, change)
    return [one.wallet for one in done]


@dataclass(frozen=True, slots=True)
class _Accepting:
    """A payment that is to be accepted; `state` is what becomes of its wallet."""

    sight: Sight
    judgement: Judgement
    state: WalletState
    paid: PaidPayment
    wallet: Wallet
    event: Event


def _accepting(errand: Errand, sight: Sight, judgement: Judgement) -> _Accepting:
    option, signature = judgement.option, judgement.signature
    if option is None or signature is None:
        raise ValueError(f"payment {sight.payment.id} has no completing transfer")
    status = PaymentStatus(errand.merchant.acceptance)
    wallet, payment = sight.wallet, sight.payment
    # Money that has already gone home leaves the wallet as it is; all else becomes the next sweep's work.
    state = WalletState.SENT_FUNDS if _is_home(sight) else WalletState.PROCESSING_PAYMENT
    body = {
        **payment_body(sight),
        "source": Source.PIPELINE.value,
        "status": status.value,
        "previous_status": payment.status.value,
        "signature": signature,
        "paid_at": None if judgement.paid_at is None else judgement.paid_at.isoformat(),
        "mint": mint_text(option.mint),
        "decimals": SOL_DECIMALS if option.mint is None else sight.decimals[option.mint],
        "received": amounts_text(judgement.received),
        "surplus": amounts_text(judgement.surplus),
    }
    return _Accepting(
        sight=sight,
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


def expire(errand: Errand, sights: Sequence[Sight]) -> list[Wallet]:
    """Expire payments whose wallets hold nothing; returns the wallets that are now `payment_expired`."""

    def change(connection: Connection, batch: Sequence[Sight]) -> None:
        events = _expire_payments(connection, errand, batch)
        set_wallets(connection, errand, [sight.wallet for sight in batch], WalletState.PAYMENT_EXPIRED)
        _tell(connection, errand, events)
        findings.clear(connection, [sight.wallet.id for sight in batch], {*HELD, *_JUDGED}, errand.now())

    if _only_planned(errand, EventKind.PAYMENT_EXPIRED, len(sights)):
        done = list(sights)
    else:
        done = _in_batches(errand, sights, change)
    return [
        Wallet(
            sight.wallet.id,
            WalletState.PAYMENT_EXPIRED,
            replace(sight.payment, status=PaymentStatus.EXPIRED),
        )
        for sight in done
    ]


def expire_and_close(errand: Errand, sights: Sequence[Sight]) -> None:
    """Expire payments whose wallets hold nothing and have no accounts, and bring the wallets to rest with them.

    One database transaction for both: of a large table of unpaid payments that is what the time goes to.
    """

    def change(connection: Connection, batch: Sequence[Sight]) -> None:
        expired = _expire_payments(connection, errand, batch)
        # A wallet as created has not been at rest before.
        closed = _rest(connection, errand, batch, WalletState.CLOSED, EventKind.WALLET_CLOSED, told={})
        _tell(connection, errand, [*expired, *closed])

    if errand.options.dry_run:
        _only_planned(errand, EventKind.PAYMENT_EXPIRED, len(sights))
        _only_planned(errand, EventKind.WALLET_CLOSED, len(sights))
    else:
        _in_batches(errand, sights, change)


def hold(errand: Errand, sight: Sight, label: Code) -> bool:
    """Keep money that does not pay its payment: the payment expires, the wallet becomes `received_funds`."""
    wallet, payment = sight.wallet, sight.payment
    held = _held(sight, label)

    def change(connection: Connection) -> None:
        if payment.status is PaymentStatus.INITIATED:
            _tell(connection, errand, _expire_payments(connection, errand, [sight]))
        if wallet.state is not WalletState.RECEIVED_FUNDS:
            set_wallets(connection, errand, [wallet], WalletState.RECEIVED_FUNDS)
        before = findings.amounts_of(connection, wallet.id, HELD)
        has_changed = before != {(one.code, one.mint): one.amount for one in held}
        # What no longer stands must not be told again and again; what still does keeps its first date.
        findings.clear(connection, [wallet.id], {*HELD, *_JUDGED} if has_changed else _JUDGED, errand.now())
        findings.note(connection, held, errand.run, errand.now())
        if has_changed:
            body = {
                **payment_body(sight),
                "label": label.value,
                "holds": amounts_text(sight.holdings.balances()),
            }
            _tell(connection, errand, [Event(EventKind.PAYMENT_HELD, payment.id, wallet.id, body)])

    if payment.status is PaymentStatus.INITIATED:
        _only_planned(errand, EventKind.PAYMENT_EXPIRED, 1)
    if _only_planned(errand, EventKind.PAYMENT_HELD, 1):
        errand.tally.planned_findings.extend(held)
        return True
    return _in_one_transaction(errand, change)


def mark_swept(errand: Errand, sights: Sequence[Sight]) -> None:
    """The chain shows these wallets empty after our own transactions, or somebody else's that went home."""
    _bring_to_rest(errand, sights, WalletState.SENT_FUNDS, EventKind.WALLET_SWEPT)


def mark_closed(errand: Errand, sights: Sequence[Sight]) -> None:
    """The chain shows these wallets of expired payments empty and their token accounts gone."""
    _bring_to_rest(errand, sights, WalletState.CLOSED, EventKind.WALLET_CLOSED)


def _bring_to_rest(errand: Errand, sights: Sequence[Sight], state: WalletState, kind: EventKind) -> None:
    def change(connection: Connection, batch: Sequence[Sight]) -> None:
        told = outbox.last_bodies(connection, kind, [sight.payment.id for sight in batch])
        _tell(connection, errand, _rest(connection, errand, batch, state, kind, told))

    if not _only_planned(errand, kind, len(sights)):
        _in_batches(errand, sights, change)


def _rest(
    connection: Connection,
    errand: Errand,
    batch: Sequence[Sight],
    state: WalletState,
    kind: EventKind,
    told: Mapping[int, Mapping[str, object]],
) -> list[Event]:
    """Bring wallets to rest; returns the events that tell of it, but for what has been `told` of a payment last.

    The peer's verify endpoint opens a wallet again whenever a customer's page asks; that is told only once.
    """
    ids = [sight.wallet.id for sight in batch]
    moved = transactions.landed_movements(connection, ids)
    receivers: dict[str | None, list[Wallet]] = {}
    for sight in batch:
        receiver = _receiver(errand, moved[sight.wallet.id]) if state is WalletState.SENT_FUNDS else None
        receivers.setdefault(receiver, []).append(sight.wallet)
    for receiver, wallets in receivers.items():
        set_wallets(connection, errand, wallets, state, receiver_address=receiver)
    # Money of an expired payment that went elsewhere stays told: closing its empty wallet brings nothing back.
    over = _STUCK if state is WalletState.SENT_FUNDS else _STUCK - {Code.FUNDS_ELSEWHERE}
    findings.clear(connection, ids, {*HELD, *over}, errand.now())
    events = []
    for sight in batch:
        movements = [movement.as_json() for movement in moved[sight.wallet.id]]
        before = told.get(sight.payment.id)
        if before is None or before["movements"] != movements:
            body = {**payment_body(sight), "movements": movements}
            if state is WalletState.SENT_FUNDS:
                body["receiver"] = _receiver(errand, moved[sight.wallet.id])
            events.append(Event(kind, sight.payment.id, sight.wallet.id, body))
    return events


def _receiver(errand: Errand, moved: Sequence[LandedMovement]) -> str:
    """Who has a wallet's money: the receiver of the settings, or of those by which it was last sent.

    What tells of another receiver of tokens alone is the token account that took them.
    """
    receiver = errand.merchant.receiver
    for movement in reversed(moved):
        if movement.kind is MovementKind.LAMPORTS:
            return movement.destination
        if movement.kind is MovementKind.TOKENS and movement.mint is not None:
            mint = Pubkey.from_string(movement.mint)
            own = {str(associated_token_address(receiver, mint, program)) for program in TOKEN_PROGRAMS}
            return str(receiver) if movement.destination in own else movement.destination
    return str(receiver)


def move_to_state(errand: Errand, wallets: Sequence[Wallet], state: WalletState) -> list[Wallet]:
    """Change wallets' states where no event tells of it; returns those that changed."""

    def change(connection: Connection, batch: Sequence[Wallet]) -> None:
        set_wallets(connection, errand, batch, state)

    if errand.options.dry_run:
        return [replace(wallet, state=state) for wallet in wallets]
    return [replace(wallet, state=state) for wallet in _in_batches(errand, wallets, change)]


def set_aside(errand: Errand, wallet_findings: Sequence[Finding]) -> None:
    """Store why some work was not done."""
    if errand.options.dry_run:
        errand.tally.planned_findings.extend(wallet_findings)
        return
    with errand.merchant.engine.begin() as connection:
        findings.note(connection, wallet_findings, errand.run, errand.now())


# Findings that end when a payment has been judged, and those that end when a wallet is empty.
_JUDGED = frozenset({Code.UNDATED, Code.HISTORY_UNREADABLE, Code.UNREADABLE_ROW, Code.MINT_UNREADABLE})
_STUCK = frozenset(
    {
        Code.KEY_UNREADABLE,
        Code.KEY_MISMATCH,
        Code.TOKEN_STUCK,
        Code.ACCOUNT_STUCK,
        Code.LAMPORTS_STUCK,
        Code.DESTINATION_UNFIT,
        Code.TOO_LARGE,
        Code.TRANSACTION_FAILED,
        Code.UNECONOMIC,
        Code.STILL_MOVING,
        Code.SPENDING_LIMIT,
        Code.FUNDS_ELSEWHERE,
        *_JUDGED,
    }
)


def _only_planned(errand: Errand, kind: EventKind, count: int) -> bool:
    """In a dry run, count what would happen and say so."""
    if errand.options.dry_run:
        errand.tally.planned[kind] += count
    return errand.options.dry_run


def _expire_payments(connection: Connection, errand: Errand, batch: Sequence[Sight]) -> list[Event]:
    """Expire payments; returns the events that tell of it."""
    ids = {sight.payment.id for sight in batch}
    changed = change_payments(
        connection,
        errand.merchant.tables,
        ids,
        from_status=PaymentStatus.INITIATED,
        to_status=PaymentStatus.EXPIRED,
        now=errand.now(),
    )
    if changed != ids:
        raise ChangedUnderneath
    return [
        Event(EventKind.PAYMENT_EXPIRED, sight.payment.id, sight.wallet.id, payment_body(sight))
        for sight in batch
    ]


def _in_one_transaction(errand: Errand, change: Callable[[Connection], None]) -> bool:
    try:
        with errand.merchant.engine.begin() as connection:
            change(connection)
    except ChangedUnderneath:
        errand.tally.skipped += 1
        return False
    return True


def _in_batches(
    errand: Errand, items: Sequence[Item], change: Callable[[Connection, Sequence[Item]], None]
) -> list[Item]:
    """Apply a change to many; a batch in which somebody was first goes one by one."""
    done: list[Item] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        try:
            with errand.merchant.engine.begin() as connection:
                change(connection, batch)
        except ChangedUnderneath:
            done.extend(
                item for item in batch if _in_one_transaction(errand, partial(_change_one, change, item))
            )
        else:
            done.extend(batch)
    return done


def _change_one(
    change: Callable[[Connection, Sequence[Item]], None], item: Item, connection: Connection
) -> None:
    change(connection, [item])


def _tell(connection: Connection, errand: Errand, events: Sequence[Event]) -> None:
    outbox.append(connection, events, errand.run, errand.now())


def _is_home(sight: Sight) -> bool:
    gone = sight.holdings.is_empty and not sight.holdings.tokens
    return gone and sight.wallet.state is WalletState.SENT_FUNDS


def _overpaid(sight: Sight, judgement: Judgement) -> list[Finding]:
    return [
        Finding(
            Code.OVERPAID,
            sight.wallet.id,
            sight.payment.id,
            f"{amount} base units more than the price came in",
            mint,
            amount,
        )
        for mint, amount in judgement.surplus.items()
    ]


_HELD_WORDS = {
    Code.SHORT: "less than the price came in before the payment's time was over",
    Code.LATE: "it came in after the payment's time was over",
    Code.UNEXPECTED: "it is no token that this payment could be paid in",
}


def _held(sight: Sight, label: Code) -> list[Finding]:
    priced = {option.mint for option in sight.payment.options}
    held = []
    for mint, amount in sight.holdings.balances().items():
        code = label if mint in priced else Code.UNEXPECTED
        words = f"{amount} base units are held: {_HELD_WORDS[code]}"
        held.append(Finding(code, sight.wallet.id, sight.payment.id, words, mint, amount))
    return held


def payment_body(sight: Sight) -> dict[str, object]:
    """What every event of a payment begins with."""
    payment = sight.payment
    return {
        "payment_id": payment.id,
        "payment_address": str(payment.address),
        "wallet_id": sight.wallet.id,
        "expires_at": payment.expires_at.isoformat(),
    }


def amounts_text(amounts: Mapping[Pubkey | None, int]) -> dict[str, str]:
    """Base units as decimal strings, by mint."""
    return {mint_text(mint): str(amount) for mint, amount in amounts.items()}


def mint_text(mint: Pubkey | None) -> str:
    """A mint's address, or `SOL`."""
    return "SOL" if mint is None else str(mint)
