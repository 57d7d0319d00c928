"""From a parcel to the chain and back into the ledger: sign, record, send, confirm, apply.

Nothing leaves before its row and its legs are committed, together with a compare-and-set of each wallet's row, so
that a plan made of an old row never reaches the chain. What becomes of a transaction is written as soon as it is
known; what is not known when patience ends stays in flight, and the next run settles it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from solders.keypair import Keypair
from sqlalchemy import Connection

from solpay_pipeline.chain import packing
from solpay_pipeline.chain.answers import RecentBlockhash
from solpay_pipeline.chain.courier import Fate, Receipt, Signed, deliver
from solpay_pipeline.chain.errors import NodeBehind
from solpay_pipeline.chain.instructions import assert_destinations
from solpay_pipeline.chain.packing import Parcel
from solpay_pipeline.chain.wire import TransactionShape, sign
from solpay_pipeline.ledger import entries, findings
from solpay_pipeline.ledger.entries import AlreadyRecorded, Entry, WalletBusy
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.reasons import Code, Finding
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.errand import Errand
from solpay_pipeline.operations.errors import Blocked, ChangedUnderneath
from solpay_pipeline.operations.rows import set_wallets
from solpay_pipeline.records.changes import change_wallets

# A slot lasts a third of a second; one in twenty is skipped.
_BLOCKHASH_SECONDS = 0.4
_BLOCKHASH_TRIES = 25


@dataclass(frozen=True, slots=True)
class Shipment:
    """A parcel, the rows of its wallets as they were read, the state they take meanwhile, and their keys."""

    parcel: Parcel
    wallets: tuple[Wallet, ...]
    state_in_flight: WalletState
    keys: tuple[Keypair, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a shipment; `receipt` is None where it was not recorded, because somebody was first."""

    shipment: Shipment
    receipt: Receipt | None


async def ship(
    errand: Errand, shipments: Sequence[Shipment], shape: TransactionShape, purpose: str
) -> list[Delivered]:
    """Carry out shipments with one blockhash.

    Raises `Blocked` where the fee payer cannot pay them, and `ForbiddenInstruction` where a message is not what we
    build, both before anything is signed.
    """
    await _check_fee_payer(errand, shipments)
    blockhash = await errand.rpc.latest_blockhash(errand.merchant.commitment)
    recorded: dict[str, tuple[Shipment, Signed]] = {}
    done: list[Delivered] = []
    for shipment in shipments:
        entry = await _signed_entry(errand, shipment, shape, purpose, blockhash)
        is_recorded = _record(errand, shipment, entry)
        if is_recorded is None:
            # The plan that was refused a moment ago, once more: under the same blockhash it is the same transaction.
            blockhash = await _next_blockhash(errand, blockhash)
            entry = await _signed_entry(errand, shipment, shape, purpose, blockhash)
            is_recorded = _record(errand, shipment, entry)
        if is_recorded:
            signed = Signed(entry.signature, entry.wire, entry.last_valid_block_height, entry.blockhash_slot)
            recorded[entry.signature] = (shipment, signed)
        else:
            done.append(Delivered(shipment, None))
    receipts = await send(errand, [signed for _, signed in recorded.values()], already_sent=False)
    done.extend(Delivered(shipment, receipts[signature]) for signature, (shipment, _) in recorded.items())
    return done


async def send(errand: Errand, signed: Sequence[Signed], *, already_sent: bool) -> dict[str, Receipt]:
    """Send what is in the ledger and write there what became of it."""
    if not signed:
        return {}
    return await deliver(
        errand.rpc,
        signed,
        commitment=errand.merchant.commitment,
        patience_seconds=errand.patience(),
        already_sent=already_sent,
        on_receipt=lambda receipt: apply(errand, receipt),
    )


_CLOSING = {
    Fate.CONFIRMED: TransactionState.CONFIRMED,
    Fate.FINALIZED: TransactionState.FINALIZED,
    Fate.FAILED: TransactionState.FAILED,
    Fate.REFUSED: TransactionState.REFUSED,
    Fate.DEAD: TransactionState.DEAD,
}


def apply(errand: Errand, receipt: Receipt) -> None:
    """Write into the ledger what the chain said of a transaction, unless another process has.

    One that was applied at `confirmed` and turns out dead or failed was taken back by a fork: its wallets are opened
    again in the same database transaction.
    """
    state = _CLOSING.get(receipt.fate)
    if state is None:
        return
    with errand.merchant.engine.begin() as connection:
        if state in _UNDONE and _close(connection, errand, receipt, TransactionState.CONFIRMED, state):
            _reopen(connection, errand, receipt.signature)
        else:
            _close(connection, errand, receipt, TransactionState.RECORDED, state)
            if state is TransactionState.FINALIZED:
                _close(connection, errand, receipt, TransactionState.CONFIRMED, state)


_UNDONE = (TransactionState.DEAD, TransactionState.FAILED)

# A wallet whose last transaction a fork took back, and the state in which the right operation finds it again.
_REOPENED = (
    (WalletState.SENT_FUNDS, WalletState.PROCESSING_FUNDS),
    (WalletState.CLOSED, WalletState.PAYMENT_EXPIRED),
)


def _close(
    connection: Connection,
    errand: Errand,
    receipt: Receipt,
    from_state: TransactionState,
    to_state: TransactionState,
) -> bool:
    return entries.close(
        connection,
        receipt.signature,
        from_state=from_state,
        to_state=to_state,
        now=errand.now(),
        slot=receipt.slot,
        error=receipt.err,
        fee=receipt.fee,
    )


def _reopen(connection: Connection, errand: Errand, signature: str) -> None:
    words = f"transaction {signature} was confirmed and then taken back by a fork; the wallet is open again"
    wallet_ids = entries.wallets_of(connection, signature)
    for settled, reopened in _REOPENED:
        change_wallets(
            connection,
            errand.merchant.tables,
            wallet_ids,
            from_state=settled,
            to_state=reopened,
            now=errand.now(),
        )
    told = [Finding(Code.FORK, wallet_id, None, words) for wallet_id in wallet_ids]
    findings.note(connection, told, errand.run, errand.now())
    errand.tally.reopened += len(wallet_ids)


async def _check_fee_payer(errand: Errand, shipments: Sequence[Shipment]) -> None:
    price = await errand.signature_fee()
    fees = sum(one.parcel.signature_count * price + one.parcel.priority_fee_lamports for one in shipments)
    left = errand.fee_payer_lamports - fees
    if left < errand.fee_payer_floor:
        raise Blocked(
            f"the fee payer {errand.merchant.fee_payer.pubkey} has {errand.fee_payer_lamports} lamports; "
            f"{fees} of fees must leave at least {errand.fee_payer_floor}: send it SOL and run again"
        )
    errand.fee_payer_lamports = left


async def _signed_entry(
    errand: Errand, shipment: Shipment, shape: TransactionShape, purpose: str, recent: RecentBlockhash
) -> Entry:
    merchant = errand.merchant
    parcel = shipment.parcel
    message = packing.build(
        parcel, fee_payer=merchant.fee_payer.pubkey, blockhash=recent.blockhash, shape=shape
    )
    assert_destinations(
        message,
        receiver=merchant.receiver,
        fee_payer=merchant.fee_payer.pubkey,
        max_priority_fee_lamports=merchant.max_priority_fee,
    )
    signature, wire = sign(message, [merchant.fee_payer.keypair(), *shipment.keys])
    return Entry(
        signature=str(signature),
        wire=wire,
        last_valid_block_height=recent.last_valid_block_height,
        blockhash_slot=recent.slot,
        purpose=purpose,
        signature_count=parcel.signature_count,
        fee=parcel.signature_count * await errand.signature_fee() + parcel.priority_fee_lamports,
        legs=parcel.legs,
    )


async def _next_blockhash(errand: Errand, known: RecentBlockhash) -> RecentBlockhash:
    """A blockhash that is not `known`. Raises `NodeBehind` where the node has had none for several slots."""
    for _ in range(_BLOCKHASH_TRIES):
        await asyncio.sleep(_BLOCKHASH_SECONDS)
        recent = await errand.rpc.latest_blockhash(errand.merchant.commitment)
        if recent.blockhash != known.blockhash:
            return recent
    raise NodeBehind("the node gives the same blockhash for several slots; is it stuck?")


def _record(errand: Errand, shipment: Shipment, entry: Entry) -> bool | None:
    """Whether it may be sent; None where its wallets are free, but the very same transaction stands in the ledger."""
    try:
        with errand.merchant.engine.begin() as connection:
            set_wallets(connection, errand, shipment.wallets, shipment.state_in_flight)
            entries.record(connection, entry, errand.run, errand.now())
    except (ChangedUnderneath, WalletBusy):
        return False
    except AlreadyRecorded:
        # What has no wallets opens accounts of the receiver, which this run waits for too: the same bytes may be sent
        # by both. Of wallets only the ledger can tell whether another run carries them.
        return None if shipment.wallets else True
    return True
