"""May a signature be declared dead, so that its work can be signed again? The one rule against paying twice.

Dead needs all of it (docs/solana.md#when-a-signature-is-dead): a finalized block height past the last valid one,
from a node whose numbers make sense; then, asked afterwards and of a state no older, no status in the history of
a node that is healthy and keeps that history; and no other provider that says it landed or may land. One such witness
is enough for what we send: sweeps and closings plan from balances that are read again. An error is never evidence of
absence, and a node whose history is too short is no witness.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from solpay_pipeline.chain.rpc.answers import RecentBlockhash, SignatureStatus, Untold
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.chain.rpc.errors import ChainError, MethodMissing
from solpay_pipeline.chain.rpc.plausible import BLOCKHASH_LIFE, contradiction
from solpay_pipeline.lifecycle.terms import Commitment

HEIGHT_MARGIN = 4
"""Blocks past the last valid one before we believe that it expired; they cost a second or two, once."""

GROWTH_MARGIN = 2 * BLOCKHASH_LIFE
"""How many more blocks than slots may seem to have passed since the send: the blockhash was up to its own life older
than the send, and the height's slot is read a moment later. Beyond this the number is not a block height."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature in question.

    `sent_slot` is a slot not later than its first send. None: none was recorded, and the node's history must go back to
    the first block.
    """

    signature: str
    last_valid_block_height: int
    sent_slot: int | None


@dataclass(frozen=True, slots=True)
class Dead:
    """It did not land and can no longer land."""

    finalized_height: int


@dataclass(frozen=True, slots=True)
class Alive:
    """It has landed (`status`), or its blockhash has not provably expired (`status` is None)."""

    status: SignatureStatus | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing can be concluded; `reason` says why, in words. `stays_so`: asking the same providers again is no use."""

    reason: str
    stays_so: bool = False


Verdict = Dead | Alive | Unknown


@dataclass(frozen=True, slots=True)
class Clocks:
    """One node's blockhash, height and slot at `finalized`, asked in this order."""

    blockhash_last_valid: int
    height: int
    slot: int
    is_mainnet: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one node says about one signature. The status was asked after the clocks; None is a null answer.

    `first_available_slot` is None where the node does not tell it. `knows_older`: it knows the status of a transaction
    that landed before the send. `fee` is the fee paid by the transaction of a finalized status with an error, None
    where not known.
    """

    claim: Claim
    clocks: Clocks
    status: SignatureStatus | None
    status_slot: int
    healthy: bool
    first_available_slot: int | None
    fee: int | None = None
    knows_older: bool = False


def judge(evidence: Evidence) -> Verdict:
    """The rule for one node's evidence. Pure."""
    claim, clocks, status = evidence.claim, evidence.clocks, evidence.status
    if status is not None and not _without_effect(status, evidence.fee):
        return Alive(status)
    if (nonsense := implausible(claim, clocks)) is not None:
        return Unknown(nonsense)
    if clocks.height <= claim.last_valid_block_height + HEIGHT_MARGIN:
        return Alive(status)
    if not evidence.healthy:
        return Unknown("the node says it is not healthy")
    if evidence.status_slot < clocks.slot:
        return Unknown("the status is of an older slot than the block height")
    if not _reaches_the_send(evidence):
        since = "the first block" if claim.sent_slot is None else f"slot {claim.sent_slot}"
        return Unknown(f"no history that is known to go back to {since}, before it was sent", stays_so=True)
    return Dead(clocks.height)


def _reaches_the_send(evidence: Evidence) -> bool:
    """By the number that the node tells; of one that tells none, by an example."""
    if evidence.first_available_slot is None:
        return evidence.knows_older
    return evidence.first_available_slot <= (evidence.claim.sent_slot or 0)


def implausible(claim: Claim, clocks: Clocks) -> str | None:
    """Why a node's height cannot be believed about this claim, None where it can."""
    nonsense = contradiction(
        last_valid=clocks.blockhash_last_valid,
        height=clocks.height,
        slot=clocks.slot,
        is_mainnet=clocks.is_mainnet,
    )
    if nonsense is None and claim.sent_slot is not None:
        blocks = clocks.height - (claim.last_valid_block_height - BLOCKHASH_LIFE)
        if blocks > clocks.slot - claim.sent_slot + GROWTH_MARGIN:
            return f"{blocks} blocks cannot have passed since the send: fewer slots have"
    return nonsense


def agreed(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict out of all providers': one that says alive decides, then one that can testify to the death. Pure."""
    landed = next((each for each in verdicts if isinstance(each, Alive) and each.status is not None), None)
    alive = landed or next((each for each in verdicts if isinstance(each, Alive)), None)
    if alive is not None:
        return alive
    dead = [each for each in verdicts if isinstance(each, Dead)]
    if dead:
        return min(dead, key=lambda each: each.finalized_height)
    unknown = [each for each in verdicts if isinstance(each, Unknown)]
    reasons = "; ".join(dict.fromkeys(each.reason for each in unknown))
    stays_so = bool(unknown) and all(each.stays_so for each in unknown)
    return Unknown(reasons or "no provider was asked", stays_so)


async def verdicts(rpc: Rpc, claims: Sequence[Claim]) -> dict[str, Verdict]:
    """A verdict for each claim, by signature. Costs two calls a provider while nothing has expired, six otherwise.

    Never raises a ChainError: where a provider could not answer, the verdict is `Unknown`.
    """
    if not claims:
        return {}
    opinions = await asyncio.gather(*(_opinion(witness, claims) for witness in rpc.witnesses()))
    return {claim.signature: agreed([opinion[claim.signature] for opinion in opinions]) for claim in claims}


async def _opinion(witness: Rpc, claims: Sequence[Claim]) -> Mapping[str, Verdict]:
    try:
        return await _examine(witness, claims)
    except ChainError as error:
        return {claim.signature: Unknown(str(error)) for claim in claims}


async def _examine(witness: Rpc, claims: Sequence[Claim]) -> Mapping[str, Verdict]:
    """One provider's verdicts. The order of the calls is part of the rule."""
    blockhash: RecentBlockhash = await witness.latest_blockhash(Commitment.FINALIZED)
    height = blockhash.block_height
    found: dict[str, Verdict] = {claim.signature: Alive(None) for claim in claims}
    expired = [claim for claim in claims if height > claim.last_valid_block_height + HEIGHT_MARGIN]
    if not expired:
        return found
    slot = await witness.slot(Commitment.FINALIZED)
    clocks = Clocks(blockhash.last_valid_block_height, height, slot, witness.is_mainnet)
    healthy = await witness.is_healthy()
    first_available = await _first_available(witness)
    example = witness.landed if first_available is None else None
    asked = [claim.signature for claim in expired] + ([] if example is None else [example])
    answer = await witness.statuses(asked, search_history=True)
    known = None if example is None else answer.statuses[-1]
    for claim, status in zip(expired, answer.statuses, strict=False):
        if isinstance(status, Untold):
            found[claim.signature] = Unknown(status.why)
            continue
        fee = await _fee(witness, claim.signature, status)
        found[claim.signature] = judge(
            Evidence(
                claim,
                clocks,
                status,
                answer.slot,
                healthy,
                first_available,
                fee,
                knows_older=isinstance(known, SignatureStatus) and known.slot <= (claim.sent_slot or 0),
            )
        )
    return found


async def _first_available(witness: Rpc) -> int | None:
    """None where the node does not offer to tell it."""
    try:
        return await witness.first_available_block()
    except MethodMissing:
        return None


async def _fee(witness: Rpc, signature: str, status: SignatureStatus | None) -> int | None:
    """The fee of a finalized failure: only one that cost nothing may not have been executed at all."""
    if status is None or status.err is None or status.confirmation is not Commitment.FINALIZED:
        return None
    record = await witness.transaction(signature, commitment=Commitment.FINALIZED)
    return None if record is None else record.fee


def _without_effect(status: SignatureStatus, fee: int | None) -> bool:
    """A finalized failure without a fee (SIMD-0290) moved nothing and, once expired, never will."""
    return status.err is not None and status.confirmation is Commitment.FINALIZED and fee == 0
