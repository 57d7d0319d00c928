"""Finishes what earlier runs left in flight, before anything new is planned.

Landed: applied. Not landed: the same bytes again while their blockhash lives. Provably dead: released, and the
wallet is planned again from the chain. What was applied at `confirmed` stays open until it is seen finalized; where a
fork took it back for good, the wallet is opened again.
"""

from collections.abc import Iterable, Sequence

from solpay_pipeline.chain.rpc.answers import SignatureStatus, Untold
from solpay_pipeline.chain.rpc.errors import ChainError
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt, Signed
from solpay_pipeline.chain.sending.expiry import HEIGHT_MARGIN
from solpay_pipeline.chain.sending.instructions import ForbiddenInstruction, assert_destinations
from solpay_pipeline.chain.sending.wire import message_of
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.ledger.transactions import OpenTransaction
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.moving.submission import send


def count_in_flight(context: OperationContext) -> None:
    """What a dry run does instead: nothing is settled, so that wallets in flight are left out."""
    open_ones = context.records.open_transactions()
    context.tally.in_flight += sum(one.state is TransactionState.RECORDED for one in open_ones)


async def settle(context: OperationContext) -> None:
    """Settle every open transaction of the ledger, as far as the chain can say today."""
    open_ones = context.records.open_transactions()
    if not open_ones:
        return
    answer = await context.rpc.statuses([one.signature for one in open_ones], search_history=True)
    unknown: list[OpenTransaction] = []
    unsettled: list[OpenTransaction] = []
    landed: list[Receipt] = []
    for one, status in zip(open_ones, answer.statuses, strict=True):
        if status is None or isinstance(status, Untold) or status.err is not None:
            unknown.append(one)
            continue
        receipt = _success(context, one, status)
        if receipt is not None:
            landed.append(receipt)
        elif one.state is TransactionState.RECORDED:
            unsettled.append(one)
    told_elsewhere = await _told_elsewhere(context, unsettled)
    context.tally.undecided += len(unsettled) - len(told_elsewhere)
    landed += told_elsewhere
    context.journal.close(landed)
    _count(context, open_ones, landed)
    await _chase(context, unknown)


async def _told_elsewhere(context: OperationContext, unsettled: Sequence[OpenTransaction]) -> list[Receipt]:
    """What another endpoint has seen settled: one may show blocks as less settled than they are, without an end."""
    landed: dict[str, Receipt] = {}
    for witness in context.rpc.witnesses() if unsettled else ():
        waiting = [one for one in unsettled if one.signature not in landed]
        try:
            answer = await witness.statuses([one.signature for one in waiting], search_history=True)
        except ChainError:
            continue
        for one, status in zip(waiting, answer.statuses, strict=True):
            if isinstance(status, SignatureStatus) and status.err is None:
                receipt = _success(context, one, status)
                if receipt is not None:
                    landed[one.signature] = receipt
    return list(landed.values())


def _success(context: OperationContext, one: OpenTransaction, status: SignatureStatus) -> Receipt | None:
    if status.confirmation is Commitment.FINALIZED:
        return Receipt(one.signature, Fate.FINALIZED, slot=status.slot)
    if context.deployment.commitment.reached_by(status.confirmation):
        return Receipt(one.signature, Fate.CONFIRMED, slot=status.slot)
    return None


async def _chase(context: OperationContext, unknown: Sequence[OpenTransaction]) -> None:
    """Send again what may still land, and bury what cannot."""
    taken_back = [one.signature for one in unknown if one.state is TransactionState.CONFIRMED]
    if taken_back:
        context.journal.hold_again(taken_back)
    signed = [
        Signed(
            one.signature,
            one.wire,
            one.last_valid_block_height,
            one.blockhash_slot,
            may_be_resent=_goes_home(context, one),
        )
        for one in unknown
    ]
    over, alive = await _over_and_alive(context, signed)
    receipts = await send(context, over, already_sent=True, patience_seconds=0.0)
    receipts |= await send(context, alive, already_sent=True)
    _count(context, unknown, receipts.values())


async def _over_and_alive(
    context: OperationContext, signed: Sequence[Signed]
) -> tuple[list[Signed], list[Signed]]:
    """Those that can no longer land, and those that may.

    Of the first kind a look shows all that time could show: what no endpoint can testify about now, none can in half a
    minute.
    """
    if not signed:
        return [], []
    try:
        height = await context.rpc.block_height(Commitment.FINALIZED) - HEIGHT_MARGIN
    except ChainError:
        return [], list(signed)
    over = [one for one in signed if height > one.last_valid_block_height]
    return over, [one for one in signed if height <= one.last_valid_block_height]


def _count(
    context: OperationContext, open_ones: Sequence[OpenTransaction], receipts: Iterable[Receipt]
) -> None:
    """What was recorded and is over now is settled; it belongs into this operation's sums."""
    recorded = {one.signature for one in open_ones if one.state is TransactionState.RECORDED}
    for receipt in receipts:
        if receipt.fate is Fate.IN_FLIGHT:
            context.tally.undecided += 1
        elif receipt.signature in recorded:
            context.tally.settled += 1
            context.tally.finished.add(receipt.signature)


def _goes_home(context: OperationContext, one: OpenTransaction) -> bool:
    """Whether it would be signed today: the receiver or the fee payer may be another since, or not be allowed any more.

    A receiver may have been changed because its key was stolen; what was signed for it is not sent there again.
    """
    deployment = context.deployment
    try:
        assert_destinations(
            message_of(one.wire),
            receiver=context.receiver,
            fee_payer=deployment.fee_payer.pubkey,
            max_priority_fee_lamports=deployment.max_priority_fee,
        )
    except (ForbiddenInstruction, TypeError, ValueError):
        return False
    return True
