"""Opens token accounts that the receiver lacks, at the fee payer's expense."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from solpay_pipeline.base.errors import Blocked
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.broadcast import Fate
from solpay_pipeline.chain.sending.compute import ComputeTable
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.chain.sending.wire import TransactionShape
from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.lifecycle.terms import WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.mover import Opening
from solpay_pipeline.operations.moving.submission import Draft, Submitted, submit


async def open_accounts(
    context: OperationContext, openings: Sequence[Opening], compute: ComputeTable
) -> dict[Pubkey, str]:
    """By mint, why an account could not be opened in this run. Raises `Blocked` where its rent cannot be paid."""
    rents = [await context.rpc.minimum_balance(one.size) for one in openings]
    await _pay_rent(context, len(openings), sum(rents))
    drafts = plan_openings(
        openings,
        rents,
        fee_payer=context.deployment.fee_payer.pubkey,
        receiver=context.deployment.receiver,
        shape=await context.facts.shape(),
        compute=compute,
    )
    failed: dict[Pubkey, str] = {}
    for submitted in await submit(context, drafts, Purpose.PREPARE_RECEIVER, WalletState.PROCESSING_FUNDS):
        why = _why_not(submitted)
        if why is not None:
            words = f"it could not be opened yet ({why}); the next run tries again"
            failed |= {one.mint.address: words for one in _opened_by(submitted.draft.parcel, openings)}
    return failed


def plan_openings(
    openings: Sequence[Opening],
    rents: Sequence[int],
    *,
    fee_payer: Pubkey,
    receiver: Pubkey,
    shape: TransactionShape,
    compute: ComputeTable,
) -> list[Draft]:
    """The transactions that open these accounts; `rents`, in lamports, are in the same order."""
    creations = [
        create_ata_idempotent(fee_payer, receiver, one.mint.address, one.mint.program) for one in openings
    ]
    rent_of = dict(zip(openings, rents, strict=True))
    return [
        Draft(parcel, (), (), rent_paid=sum(rent_of[one] for one in _opened_by(parcel, openings)))
        for parcel in packing.pack_creations(creations, fee_payer=fee_payer, shape=shape, compute=compute)
    ]


async def _pay_rent(context: OperationContext, count: int, rent: int) -> None:
    facts = context.facts
    await facts.signature_fee()
    if facts.fee_payer_lamports - rent < facts.fee_payer_floor:
        raise Blocked(
            f"the fee payer {context.deployment.fee_payer.pubkey} has {facts.fee_payer_lamports} lamports; opening "
            f"{count} token accounts of the receiver takes {rent}: send it SOL and run again"
        )
    facts.fee_payer_lamports -= rent


def _why_not(submitted: Submitted) -> str | None:
    receipt = submitted.receipt
    if receipt is None:
        return submitted.withheld or "not recorded"
    if receipt.fate in (Fate.CONFIRMED, Fate.FINALIZED):
        return None
    return f"{receipt.fate.value} {receipt.err or ''}".strip()


def _opened_by(parcel: Parcel, openings: Sequence[Opening]) -> list[Opening]:
    named = {meta.pubkey for each in parcel.instructions for meta in each.accounts}
    return [one for one in openings if one.account in named]
