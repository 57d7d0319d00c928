"""Finishes what earlier runs left in flight, before anything new is planned.

Landed: applied. Not landed: the same bytes again while their blockhash lives. Provably dead: released, and the
wallet is planned anew from the chain. What was applied at `confirmed` stays open until it is seen finalized; where a
fork took it back for good, the wallet is opened again.
"""

from collections.abc import Sequence

from solpay_pipeline.chain.answers import SignatureStatus
from solpay_pipeline.chain.courier import Fate, Receipt, Signed
from solpay_pipeline.ledger import entries
from solpay_pipeline.ledger.entries import OpenTransaction
from solpay_pipeline.ledger.tables import TransactionState
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.delivery import apply, send
from solpay_pipeline.operations.errand import Errand
from solpay_pipeline.records.database import reading


async def settle(errand: Errand) -> None:
    """Settle every open transaction of the ledger, as far as the chain can say today."""
    with reading(errand.merchant.engine) as connection:
        open_ones = entries.open_transactions(connection)
    if not open_ones:
        return
    if errand.options.dry_run:
        errand.tally.in_flight += sum(one.state is TransactionState.RECORDED for one in open_ones)
        return
    answer = await errand.rpc.statuses([one.signature for one in open_ones], search_history=True)
    unknown = []
    for one, status in zip(open_ones, answer.statuses, strict=True):
        if status is None or status.err is not None:
            unknown.append(one)
        else:
            _apply_success(errand, one, status)
    await _chase(errand, unknown)


def _apply_success(errand: Errand, one: OpenTransaction, status: SignatureStatus) -> None:
    if status.confirmation is Commitment.FINALIZED:
        fate = Fate.FINALIZED
    elif errand.merchant.commitment.reached_by(status.confirmation):
        fate = Fate.CONFIRMED
    else:
        return
    apply(errand, Receipt(one.signature, fate, slot=status.slot))
    if one.state is TransactionState.RECORDED:
        errand.tally.settled += 1


async def _chase(errand: Errand, unknown: Sequence[OpenTransaction]) -> None:
    """Send again what may still land, and bury what cannot."""
    signed = [
        Signed(one.signature, one.wire, one.last_valid_block_height, one.blockhash_slot) for one in unknown
    ]
    receipts = await send(errand, signed, already_sent=True)
    errand.tally.settled += sum(receipt.fate is not Fate.IN_FLIGHT for receipt in receipts.values())
