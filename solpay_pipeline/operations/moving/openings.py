"""Opens token accounts that the receiver lacks, at the fee payer's expense."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

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

# Of the fee payer's lamports, what a transaction of many wallets takes at most.
_RESERVED_SIGNATURES = 12


async def open_accounts(
    context: OperationContext, openings: Sequence[Opening], compute: ComputeTable
) -> dict[Pubkey, str]:
    """By mint, why an account could not be opened in this run."""
    priced = [(one, await context.rpc.minimum_balance(one.size)) for one in openings]
    affordable, failed = await _within_means(context, priced)
    if not affordable:
        return failed
    drafts = plan_openings(
        list(affordable),
        list(affordable.values()),
        fee_payer=context.deployment.fee_payer.pubkey,
        receiver=context.deployment.receiver,
        shape=await context.facts.shape(),
        compute=compute,
    )
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


async def _within_means(
    context: OperationContext, priced: Sequence[tuple[Opening, int]]
) -> tuple[dict[Opening, int], dict[Pubkey, str]]:
    """The openings whose rent can be paid, with it, and by mint why the others cannot.

    What the cheapest transactions need stays: one token's rent keeps no other money from going home.
    """
    facts, deployment = context.facts, context.deployment
    reserve = _RESERVED_SIGNATURES * await facts.signature_fee() + deployment.max_priority_fee
    affordable: dict[Opening, int] = {}
    failed: dict[Pubkey, str] = {}
    for opening, rent in priced:
        missing = facts.fee_payer_floor + reserve + rent - facts.fee_payer_lamports
        if missing > 0:
            failed[opening.mint.address] = (
                f"opening it costs {rent} lamports; the fee payer {deployment.fee_payer.pubkey} has "
                f"{facts.fee_payer_lamports}, and {missing} are missing: send it SOL and run again"
            )
        else:
            facts.fee_payer_lamports -= rent
            affordable[opening] = rent
    return affordable, failed


def _why_not(submitted: Submitted) -> str | None:
    receipt = submitted.receipt
    if receipt is None:
        if submitted.is_unpaid:
            return "the fee payer cannot pay its fee now"
        return submitted.withheld or "not recorded"
    if receipt.fate in (Fate.CONFIRMED, Fate.FINALIZED):
        return None
    return f"{receipt.fate.value} {receipt.err or ''}".strip()


def _opened_by(parcel: Parcel, openings: Sequence[Opening]) -> list[Opening]:
    named = {meta.pubkey for each in parcel.instructions for meta in each.accounts}
    return [one for one in openings if one.account in named]
