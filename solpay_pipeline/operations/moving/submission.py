"""From a parcel to the chain and back into the ledger: sign, record, send, confirm, apply.

A few dozen are signed and recorded together, and are on their way while the next are signed.
Nothing leaves before its row and its legs are committed, together with a compare-and-set of each wallet's row, so
that a plan made of an old row never reaches the chain. What becomes of a transaction is written as soon as it is
known; what is not known when patience ends stays in flight, and the next run settles it.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1
from sqlalchemy import Connection

from solpay_pipeline.base.database import reading
from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.rpc.answers import RecentBlockhash
from solpay_pipeline.chain.rpc.errors import NodeBehind
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt, Signed, broadcast
from solpay_pipeline.chain.sending.instructions import assert_destinations
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.chain.sending.signing import sign_for
from solpay_pipeline.chain.sending.wire import TransactionShape
from solpay_pipeline.ledger import findings, spending, transactions
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.tables import Purpose, TransactionState
from solpay_pipeline.ledger.transactions import AlreadyRecorded, NewTransaction, WalletBusy
from solpay_pipeline.lifecycle.findings import Finding, FindingCode
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.changes.wallets import ChangedUnderneath, set_wallets
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.records.changes import change_wallets

# A slot lasts a third of a second; one in twenty is skipped.
_BLOCKHASH_SECONDS = 0.4
_BLOCKHASH_TRIES = 25

# Signed and recorded together: few enough for the first to leave soon, enough to make commits cheap.
_SIGNED_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """A parcel, the rows of its wallets as they were read, the state they take meanwhile, and their keys.

    `rent_paid` is lamports that go into accounts which it opens.
    """

    parcel: Parcel
    wallets: tuple[Wallet, ...]
    state_in_flight: WalletState
    keys: tuple[Keypair, ...]
    rent_paid: int = 0


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a draft; `receipt` is None where it was not recorded.

    `withheld` says why where it would have cost more than may be spent; else somebody was first.
    """

    draft: Draft
    receipt: Receipt | None
    withheld: str = ""


async def submit(
    context: OperationContext, drafts: Sequence[Draft], shape: TransactionShape, purpose: Purpose
) -> list[Submitted]:
    """Carry out drafts with one blockhash, as far as what may be spent reaches.

    Raises `Blocked` where the fee payer cannot pay them, and `ForbiddenInstruction` where a message is not what we
    build, both before anything is signed. Raises what `sign_for` raises when those that were signed before are sent;
    they stay in the ledger for the next run.
    """
    affordable, done = await _within_limits(context, drafts)
    if not affordable:
        return done
    await _check_fee_payer(context, affordable)
    making = _Making(context, shape, purpose, await context.facts.blockhash())
    unsigned = [making.unsigned(draft) for draft in affordable]
    recorded: dict[str, Draft] = {}

    async def signed() -> AsyncIterator[Signed]:
        for start in range(0, len(unsigned), _SIGNED_TOGETHER):
            group = [
                (one.draft, await making.signed(one)) for one in unsigned[start : start + _SIGNED_TOGETHER]
            ]
            async for draft, entry in _recorded(making, group, done):
                recorded[entry.signature] = draft
                yield Signed(entry.signature, entry.wire, entry.last_valid_block_height, entry.blockhash_slot)

    receipts = await send(context, signed(), already_sent=False)
    done.extend(Submitted(draft, receipts[signature]) for signature, draft in recorded.items())
    return done


async def send(
    context: OperationContext, signed: Iterable[Signed] | AsyncIterable[Signed], *, already_sent: bool
) -> dict[str, Receipt]:
    """Send what is in the ledger and write there what became of it."""
    return await broadcast(
        context.rpc,
        signed,
        commitment=context.deployment.commitment,
        patience_seconds=context.patience(),
        clock=asyncio.get_running_loop().time,
        already_sent=already_sent,
        on_receipts=lambda receipts: apply(context, receipts),
    )


async def _within_limits(
    context: OperationContext, drafts: Sequence[Draft]
) -> tuple[list[Draft], list[Submitted]]:
    """The drafts that may be paid for, and the others, which are not signed; the reason is then in the tally."""
    price = await context.facts.signature_fee()
    affordable: list[Draft] = []
    planned = 0
    with reading(context.deployment.engine) as connection:
        for position, draft in enumerate(drafts):
            parcel = draft.parcel
            planned += parcel.signature_count * price + parcel.priority_fee_lamports + draft.rent_paid
            try:
                spending.check(
                    connection, context.deployment.spending, context.run.run_id, context.now(), more=planned
                )
            except LimitReached as limit:
                return affordable, [_withheld(context, one, limit) for one in drafts[position:]]
            affordable.append(draft)
    return affordable, []


def _withheld(context: OperationContext, draft: Draft, limit: LimitReached) -> Submitted:
    context.tally.stopped_reason = limit.reason
    return Submitted(draft, None, str(limit))


_CLOSING = {
    Fate.CONFIRMED: TransactionState.CONFIRMED,
    Fate.FINALIZED: TransactionState.FINALIZED,
    Fate.FAILED: TransactionState.FAILED,
    Fate.REFUSED: TransactionState.REFUSED,
    Fate.DEAD: TransactionState.DEAD,
}


def apply(context: OperationContext, receipts: Sequence[Receipt]) -> None:
    """Write into the ledger what the chain said of transactions, unless another process has.

    One that was applied at `confirmed` and turns out dead or failed was taken back by a fork: its wallets are opened
    again in the same database transaction.
    """
    closing = [(receipt, _CLOSING[receipt.fate]) for receipt in receipts if receipt.fate in _CLOSING]
    if not closing:
        return
    landed: dict[tuple[TransactionState, int | None], list[str]] = {}
    with context.deployment.engine.begin() as connection:
        for receipt, state in closing:
            if state in _LANDED:
                landed.setdefault((state, receipt.slot), []).append(receipt.signature)
            elif state not in _UNDONE or not _close(
                connection, context, receipt, TransactionState.CONFIRMED, state
            ):
                _close(connection, context, receipt, TransactionState.RECORDED, state)
            else:
                _reopen(connection, context, receipt.signature)
        for (state, slot), signatures in landed.items():
            for before in _LANDED[state]:
                transactions.close_landed(
                    connection, signatures, from_state=before, to_state=state, slot=slot, now=context.now()
                )


# What a transaction that landed may have been before.
_LANDED = {
    TransactionState.CONFIRMED: (TransactionState.RECORDED,),
    TransactionState.FINALIZED: (TransactionState.RECORDED, TransactionState.CONFIRMED),
}

_UNDONE = (TransactionState.DEAD, TransactionState.FAILED)

# A wallet whose last transaction a fork took back, and the state in which the right operation finds it again.
_REOPENED = (
    (WalletState.SENT_FUNDS, WalletState.PROCESSING_FUNDS),
    (WalletState.CLOSED, WalletState.PAYMENT_EXPIRED),
)


def _close(
    connection: Connection,
    context: OperationContext,
    receipt: Receipt,
    from_state: TransactionState,
    to_state: TransactionState,
) -> bool:
    return transactions.close(
        connection,
        receipt.signature,
        from_state=from_state,
        to_state=to_state,
        now=context.now(),
        slot=receipt.slot,
        error=receipt.err,
        fee=receipt.fee,
    )


def _reopen(connection: Connection, context: OperationContext, signature: str) -> None:
    words = f"transaction {signature} was confirmed and then taken back by a fork; the wallet is open again"
    wallet_ids = transactions.wallets_of(connection, signature)
    for settled, reopened in _REOPENED:
        change_wallets(
            connection,
            context.deployment.tables,
            wallet_ids,
            from_state=settled,
            to_state=reopened,
            now=context.now(),
        )
    told = [Finding(FindingCode.FORK, wallet_id, None, words) for wallet_id in wallet_ids]
    findings.note(connection, told, context.run, context.now())
    context.tally.reopened += len(wallet_ids)


async def _check_fee_payer(context: OperationContext, drafts: Sequence[Draft]) -> None:
    price = await context.facts.signature_fee()
    fees = sum(one.parcel.signature_count * price + one.parcel.priority_fee_lamports for one in drafts)
    left = context.facts.fee_payer_lamports - fees
    if left < context.facts.fee_payer_floor:
        raise Blocked(
            f"the fee payer {context.deployment.fee_payer.pubkey} has {context.facts.fee_payer_lamports} lamports; "
            f"{fees} of fees must leave at least {context.facts.fee_payer_floor}: send it SOL and run again"
        )
    context.facts.fee_payer_lamports = left


@dataclass(frozen=True, slots=True)
class _Unsigned:
    """A draft as a message that is not signed yet."""

    draft: Draft
    message: MessageV0 | MessageV1
    recent: RecentBlockhash


@dataclass(slots=True)
class _Making:
    """Makes signed transactions of drafts, with the blockhash that was read last."""

    context: OperationContext
    shape: TransactionShape
    purpose: Purpose
    recent: RecentBlockhash

    def unsigned(self, draft: Draft) -> _Unsigned:
        """What is to be signed. Raises `ForbiddenInstruction`."""
        deployment = self.context.deployment
        message = packing.build(
            draft.parcel,
            fee_payer=deployment.fee_payer.pubkey,
            blockhash=self.recent.blockhash,
            shape=self.shape,
        )
        assert_destinations(
            message,
            receiver=deployment.receiver,
            fee_payer=deployment.fee_payer.pubkey,
            max_priority_fee_lamports=deployment.max_priority_fee,
        )
        return _Unsigned(draft, message, self.recent)

    async def signed(self, unsigned: _Unsigned) -> NewTransaction:
        """The signed transaction as the ledger takes it. Raises what `sign_for` raises."""
        # A key in memory waits for nothing: without this, nothing would be sent while others are signed.
        await asyncio.sleep(0)
        draft, parcel = unsigned.draft, unsigned.draft.parcel
        signature, wire = await sign_for(unsigned.message, self.context.deployment.fee_payer, draft.keys)
        return NewTransaction(
            signature=str(signature),
            wire=wire,
            last_valid_block_height=unsigned.recent.last_valid_block_height,
            blockhash_slot=unsigned.recent.slot,
            purpose=self.purpose,
            signature_count=parcel.signature_count,
            fee=parcel.signature_count * await self.context.facts.signature_fee()
            + parcel.priority_fee_lamports,
            legs=parcel.legs,
            rent_paid=draft.rent_paid,
        )

    async def renewed(self, draft: Draft) -> NewTransaction:
        """The same draft under a blockhash that none was made with before."""
        self.recent = await _next_blockhash(self.context, self.recent)
        return await self.signed(self.unsigned(draft))


async def _recorded(
    making: _Making, group: Sequence[tuple[Draft, NewTransaction]], done: list[Submitted]
) -> AsyncIterator[tuple[Draft, NewTransaction]]:
    """Those of a group that are in the ledger and may be sent; the others are added to `done`.

    All are recorded at once, which is the usual case, or one by one to tell which of them cannot be, and why.
    """
    context = making.context
    are_recorded = len(group) > 1 and _record_together(context, group)
    for draft, first in group:
        entry = first
        try:
            is_recorded = are_recorded or _record(context, [(draft, entry)])
            if is_recorded is None:
                # The plan that was refused a moment ago, once more: under the same blockhash the same transaction.
                entry = await making.renewed(draft)
                is_recorded = _record(context, [(draft, entry)])
        except LimitReached as limit:
            done.append(_withheld(context, draft, limit))
            continue
        if is_recorded:
            yield draft, entry
        else:
            done.append(Submitted(draft, None))


async def _next_blockhash(context: OperationContext, known: RecentBlockhash) -> RecentBlockhash:
    """A blockhash that is not `known`. Raises `NodeBehind` where the node has had none for several slots."""
    for _ in range(_BLOCKHASH_TRIES):
        await asyncio.sleep(_BLOCKHASH_SECONDS)
        recent = await context.rpc.latest_blockhash(context.deployment.commitment)
        if recent.blockhash != known.blockhash:
            return recent
    raise NodeBehind("the node gives the same blockhash for several slots; is it stuck?")


def _record_together(context: OperationContext, group: Sequence[tuple[Draft, NewTransaction]]) -> bool:
    """Whether all of them may be sent; where not, none was recorded."""
    try:
        return bool(_record(context, group))
    except LimitReached:
        return False


def _record(context: OperationContext, group: Sequence[tuple[Draft, NewTransaction]]) -> bool | None:
    """Whether a group, recorded or not as a whole, may be sent.

    None where a transaction stands in the ledger already, and it cannot be told that it may be sent.
    """
    try:
        with context.deployment.engine.begin() as connection:
            spending.take_turns(connection, context.deployment.spending)
            for state, wallets in _by_state_in_flight(draft for draft, _ in group).items():
                set_wallets(connection, context, wallets, state)
            transactions.record_all(connection, [entry for _, entry in group], context.run, context.now())
            spending.check(connection, context.deployment.spending, context.run.run_id, context.now())
    except (ChangedUnderneath, WalletBusy):
        return False
    except AlreadyRecorded:
        # What has no wallets opens accounts of the receiver, which this run waits for too: the same bytes may be sent
        # by both. Of wallets only the ledger can tell whether another run carries them.
        return None if len(group) > 1 or group[0][0].wallets else True
    return True


def _by_state_in_flight(drafts: Iterable[Draft]) -> dict[WalletState, list[Wallet]]:
    wallets: dict[WalletState, list[Wallet]] = {}
    for draft in drafts:
        wallets.setdefault(draft.state_in_flight, []).extend(draft.wallets)
    return wallets
