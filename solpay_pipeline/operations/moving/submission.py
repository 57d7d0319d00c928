"""From a parcel to the chain and back into the ledger: sign, record, send, confirm, close.

A few dozen are signed and recorded together, and are on their way while the next are signed. Nothing leaves before it
is in the journal. What becomes of a transaction is written as soon as it is known; what is not known when patience
ends stays in flight, and the next run settles it.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1

from solpay_pipeline.chain.rpc.answers import RecentBlockhash
from solpay_pipeline.chain.rpc.errors import NodeBehind
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.broadcast import Fate, Receipt, Signed, broadcast
from solpay_pipeline.chain.sending.instructions import assert_destinations
from solpay_pipeline.chain.sending.packing import Parcel
from solpay_pipeline.chain.sending.signing import sign_for
from solpay_pipeline.chain.sending.wire import TransactionShape
from solpay_pipeline.ledger.spending import LimitReached
from solpay_pipeline.ledger.tables import Purpose
from solpay_pipeline.ledger.transactions import NewTransaction
from solpay_pipeline.lifecycle.actions import CloseAccount
from solpay_pipeline.lifecycle.terms import Wallet, WalletState
from solpay_pipeline.operations.context.context import OperationContext
from solpay_pipeline.operations.context.journal import Recorded, Recording

# A slot lasts a third of a second; one in twenty is skipped.
_BLOCKHASH_SECONDS = 0.4
_BLOCKHASH_TRIES = 25

# Signed and recorded together: few enough for the first to leave soon, enough to make commits cheap.
_SIGNED_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """A parcel, the rows of its wallets as they were read, and their keys.

    `rent_paid` is lamports that go into accounts which it opens.
    """

    parcel: Parcel
    wallets: tuple[Wallet, ...]
    keys: tuple[Keypair, ...]
    rent_paid: int = 0

    @property
    def rent_back(self) -> int:
        """Lamports that come back to the fee payer once it lands."""
        actions = (action for leg in self.parcel.legs for action in leg.actions)
        return sum(action.lamports for action in actions if isinstance(action, CloseAccount))


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a draft; `receipt` is None where it was not recorded.

    `withheld` says why where it would have cost more than may be spent, `is_unpaid` that the fee payer has not got it
    now; else the rows of the wallets in `unfit`, by id, have changed or are held by another process.
    """

    draft: Draft
    receipt: Receipt | None
    withheld: str = ""
    is_unpaid: bool = False
    unfit: frozenset[int] = frozenset()

    @property
    def has_landed(self) -> bool:
        """Whether it has done what it should."""
        return self.receipt is not None and self.receipt.fate in (Fate.CONFIRMED, Fate.FINALIZED)


async def submit(
    context: OperationContext, drafts: Sequence[Draft], purpose: Purpose, state_in_flight: WalletState
) -> list[Submitted]:
    """Carry out drafts with one blockhash, as far as what may be spent and what the fee payer has reach.

    Raises `ForbiddenInstruction` where a message is not what we build, before anything is signed. Raises what
    `sign_for` raises when those that were signed before are sent; they stay in the ledger for the next run.
    """
    allowed, done = await _within_limits(context, drafts)
    affordable, unpaid = await _within_means(context, allowed)
    done += unpaid
    if not affordable:
        return done
    shape, recent = await context.facts.shape(), await context.facts.blockhash()
    making = _Making(context, shape, purpose, state_in_flight, recent)
    unsigned = [making.unsigned(draft) for draft in affordable]
    recorded: dict[str, Draft] = {}

    async def signed() -> AsyncIterator[Signed]:
        for start in range(0, len(unsigned), _SIGNED_TOGETHER):
            together = unsigned[start : start + _SIGNED_TOGETHER]
            group = [(one.draft, await making.signed(one)) for one in together]
            # One by one it shows which of a group cannot be recorded, and why.
            are_recorded = len(group) > 1 and making.record(group).result is Recorded.RECORDED
            for draft, entry in group:
                kept = entry if are_recorded else await _record_alone(making, draft, entry)
                if isinstance(kept, Submitted):
                    done.append(kept)
                    continue
                recorded[kept.signature] = draft
                yield Signed(kept.signature, kept.wire, kept.last_valid_block_height, kept.blockhash_slot)

    receipts = await send(context, signed(), already_sent=False)
    sent = [Submitted(draft, receipts[signature]) for signature, draft in recorded.items()]
    context.facts.fee_payer_lamports += sum(one.draft.rent_back for one in sent if one.has_landed)
    return done + sent


async def send(
    context: OperationContext,
    signed: Iterable[Signed] | AsyncIterable[Signed],
    *,
    already_sent: bool,
    patience_seconds: float | None = None,
) -> dict[str, Receipt]:
    """Send what is in the ledger and write there what became of it.

    It is waited for as long as the context has patience, where nothing else is said.
    """
    return await broadcast(
        context.rpc,
        signed,
        commitment=context.deployment.commitment,
        patience_seconds=context.patience() if patience_seconds is None else patience_seconds,
        clock=context.clock,
        sleep=context.sleep,
        already_sent=already_sent,
        on_receipts=context.journal.close,
    )


async def _within_limits(
    context: OperationContext, drafts: Sequence[Draft]
) -> tuple[list[Draft], list[Submitted]]:
    """The drafts that may be paid for, and the others, which are not signed; the reason is then in the tally."""
    price = await context.facts.signature_fee()
    count, limit = context.journal.affordable([_fee(draft, price) + draft.rent_paid for draft in drafts])
    if limit is None:
        return list(drafts), []
    return list(drafts[:count]), [_withheld(context, draft, limit) for draft in drafts[count:]]


def _fee(draft: Draft, price: int) -> int:
    """Lamports that a draft costs at a price for each signature."""
    return draft.parcel.signature_count * price + draft.parcel.priority_fee_lamports


def _withheld(context: OperationContext, draft: Draft, limit: LimitReached) -> Submitted:
    context.tally.stopped_reason = limit.reason
    return Submitted(draft, None, str(limit))


async def _within_means(
    context: OperationContext, drafts: Sequence[Draft]
) -> tuple[list[Draft], list[Submitted]]:
    """The drafts that the fee payer can pay now, those first that bring it more than they cost, and the others."""
    facts, price = context.facts, await context.facts.signature_fee()
    affordable: list[Draft] = []
    unpaid: list[Submitted] = []
    for draft in sorted(drafts, key=lambda one: (one.rent_back <= _fee(one, price), _fee(one, price))):
        fee = _fee(draft, price)
        if facts.fee_payer_lamports - fee < facts.fee_payer_floor:
            unpaid.append(Submitted(draft, None, is_unpaid=True))
        else:
            facts.fee_payer_lamports -= fee
            affordable.append(draft)
    return affordable, unpaid


def tell_unpaid(context: OperationContext, drafts: Sequence[Draft], price: int) -> None:
    """Leave in the tally that these drafts wait, and what is missing; `price` is lamports a signature."""
    facts, tally = context.facts, context.tally
    tally.unpaid += sum(len(draft.wallets) for draft in drafts)
    tally.missing += sum(_fee(draft, price) for draft in drafts)
    lacking = max(0, facts.fee_payer_floor + tally.missing - facts.fee_payer_lamports)
    tally.means = (
        f"the fee payer {context.deployment.fee_payer.pubkey} has {facts.fee_payer_lamports} lamports, and {lacking} "
        "are missing: send it SOL and run again"
    )


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
    state_in_flight: WalletState
    recent: RecentBlockhash

    def unsigned(self, draft: Draft) -> _Unsigned:
        """What is to be signed. Raises `ForbiddenInstruction`."""
        context, deployment = self.context, self.context.deployment
        message = packing.build(
            draft.parcel,
            fee_payer=deployment.fee_payer.pubkey,
            blockhash=self.recent.blockhash,
            shape=self.shape,
        )
        assert_destinations(
            message,
            receiver=context.receiver,
            fee_payer=deployment.fee_payer.pubkey,
            max_priority_fee_lamports=deployment.max_priority_fee,
        )
        return _Unsigned(draft, message, self.recent)

    async def signed(self, unsigned: _Unsigned) -> NewTransaction:
        """The signed transaction as the ledger takes it. Raises what `sign_for` raises."""
        # A key in memory waits for nothing: without this, nothing would be sent while others are signed.
        await self.context.sleep(0)
        draft, recent = unsigned.draft, unsigned.recent
        signature, wire = await sign_for(unsigned.message, self.context.deployment.fee_payer, draft.keys)
        return NewTransaction(
            signature=str(signature),
            wire=wire,
            last_valid_block_height=recent.last_valid_block_height,
            blockhash_slot=recent.slot,
            purpose=self.purpose,
            signature_count=draft.parcel.signature_count,
            fee=_fee(draft, await self.context.facts.signature_fee()),
            legs=draft.parcel.legs,
            rent_paid=draft.rent_paid,
        )

    async def renewed(self, draft: Draft) -> NewTransaction:
        """The same draft under a blockhash that none was made with before."""
        self.recent = await _next_blockhash(self.context, self.recent)
        return await self.signed(self.unsigned(draft))

    def record(self, group: Sequence[tuple[Draft, NewTransaction]]) -> Recording:
        """Write a group down, all of it or nothing."""
        wallets = [wallet for draft, _ in group for wallet in draft.wallets]
        return self.context.journal.record([entry for _, entry in group], wallets, self.state_in_flight)


async def _record_alone(making: _Making, draft: Draft, entry: NewTransaction) -> NewTransaction | Submitted:
    """The transaction as it stands in the ledger and may be sent, or what became of a draft that is not there."""
    made = making.record([(draft, entry)])
    if made.result is Recorded.DUPLICATE:
        if not draft.wallets:
            # It opens accounts of the receiver, for which another run waits too: the same bytes may be sent by both.
            # Of wallets only the ledger can say whether another run carries them.
            return entry
        # The plan that was refused a moment ago, once more: under the same blockhash the same transaction.
        entry = await making.renewed(draft)
        made = making.record([(draft, entry)])
    if made.limit is not None:
        return _withheld(making.context, draft, made.limit)
    if made.result is Recorded.RECORDED:
        return entry
    return Submitted(draft, None, unfit=frozenset(making.context.journal.unfit(draft.wallets)))


async def _next_blockhash(context: OperationContext, known: RecentBlockhash) -> RecentBlockhash:
    """A blockhash that is not `known`. Raises `NodeBehind` where the node has had none for several slots."""
    for _ in range(_BLOCKHASH_TRIES):
        await context.sleep(_BLOCKHASH_SECONDS)
        recent = await context.rpc.latest_blockhash(context.deployment.commitment)
        if recent.blockhash != known.blockhash:
            return recent
    raise NodeBehind("the node gives the same blockhash for several slots; is it stuck?")
