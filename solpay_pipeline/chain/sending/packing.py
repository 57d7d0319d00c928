"""Puts wallets into as few transactions as the wire format allows. Pure functions.

A wallet that is too large for one transaction is cut between its steps; the caller reads the chain and plans the rest
again. One whose first step alone is too large is returned (`Packed.unpackable`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import COMPUTE_BUDGET_PROGRAM_ID
from solpay_pipeline.chain.sending.bins import Bin, Load, codes_for, largest_load
from solpay_pipeline.chain.sending.compute import (
    CREATE_ATA,
    MAX_UNITS,
    ComputeTable,
    Kind,
    Sample,
    estimate_of,
)
from solpay_pipeline.chain.sending.wire import (
    TransactionShape,
    instruction_bytes_of,
    unsigned_wire,
    wire_bytes_of,
)
from solpay_pipeline.lifecycle.actions import Leg

MAX_CREATIONS: Final = 8
"""ATA creations in a transaction: each calls the token program several times, which the trace counts."""

OPEN_PARCELS: Final = 64
"""How many unfinished parcels a wallet is tried in; more never saved a transaction and took time."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes into one transaction.

    `instructions` are in the message's order, so that `leg_of_instruction` gives the leg for the index in an
    InstructionError (None: a compute-budget instruction or the creation of an ATA).
    """

    legs: tuple[Leg, ...]
    instructions: tuple[Instruction, ...]
    leg_of_instruction: tuple[int | None, ...]
    compute_unit_limit: int
    priority_fee_lamports: int = 0
    kinds: tuple[Kind, ...] = ()
    wire_bytes: int = 0

    @property
    def signature_count(self) -> int:
        """Signatures the base fee is charged for: the fee payer's and one of each wallet."""
        return 1 + len({leg.owner for leg in self.legs})


@dataclass(frozen=True, slots=True)
class Packed:
    """The parcels, and the legs whose first step alone is too large for a transaction."""

    parcels: tuple[Parcel, ...]
    unpackable: tuple[Leg, ...] = ()


def pack(legs: Sequence[Leg], *, fee_payer: Pubkey, shape: TransactionShape, compute: ComputeTable) -> Packed:
    """Spread `legs` over few transactions: largest first, each into the first parcel with room for it.

    The result depends on `legs` and their order alone. A leg too large for a transaction of its own is packed with as
    many of its steps as fit; the others are in no parcel. Raises ValueError for a leg without steps.
    """
    codes, empty = codes_for(fee_payer), Bin(shape)
    loads: list[Load] = []
    unpackable: list[Leg] = []
    for position, leg in enumerate(legs):
        load = largest_load(position, leg, empty, compute, codes)
        if load is None:
            unpackable.append(leg)
        else:
            loads.append(load)
    # Wallets of one mint share its keys: together they take less room.
    uses = Counter(chain.from_iterable(load.keys for load in loads))
    loads.sort(
        key=lambda load: (-load.weight, sorted(key for key in load.keys if uses[key] > 1), load.position)
    )
    filled: list[Bin] = []
    open_bins: list[Bin] = []
    for load in loads:
        target = next((candidate for candidate in open_bins if candidate.accepts(load)), None)
        if target is None:
            target = Bin(shape)
            filled.append(target)
            open_bins.append(target)
            del open_bins[:-OPEN_PARCELS]
        target.add(load)
        if not target.has_room:
            open_bins.remove(target)
    filled.sort(key=lambda each: min(load.position for load in each.loads))
    return Packed(tuple(_parcel(each, shape) for each in filled), tuple(unpackable))


def pack_creations(
    creations: Sequence[Instruction], *, fee_payer: Pubkey, shape: TransactionShape, compute: ComputeTable
) -> tuple[Parcel, ...]:
    """Parcels without legs that create ATAs at the fee payer's expense, in order, as many as fit a transaction."""
    parcels: list[Parcel] = []
    batch: list[Instruction] = []
    for creation in creations:
        longer = _creations([*batch, creation], fee_payer, shape, compute)
        if batch and (len(batch) == MAX_CREATIONS or longer.wire_bytes > shape.limits.wire_bytes):
            parcels.append(_creations(batch, fee_payer, shape, compute))
            batch = []
        batch.append(creation)
    if batch:
        parcels.append(_creations(batch, fee_payer, shape, compute))
    return tuple(parcels)


def build(
    parcel: Parcel, *, fee_payer: Pubkey, blockhash: Hash, shape: TransactionShape
) -> MessageV0 | MessageV1:
    """The message of a parcel. Version 1 has its budget in the header instead of compute-budget instructions."""
    if shape.version == 0:
        return MessageV0.try_compile(fee_payer, parcel.instructions, [], blockhash)
    return MessageV1.try_compile(
        fee_payer,
        parcel.instructions,
        blockhash,
        TransactionConfig(
            priority_fee=parcel.priority_fee_lamports or None,
            compute_unit_limit=parcel.compute_unit_limit,
            loaded_accounts_data_size_limit=shape.loaded_accounts_bytes,
        ),
    )


def samples(
    parcels: Sequence[Parcel], *, fee_payer: Pubkey, shape: TransactionShape, most: int = 8
) -> tuple[Sample, ...]:
    """One transaction for each mix of kinds among `parcels`, for `compute.calibrate` to simulate.

    They ask for the most compute units and pay no priority fee, so that only their work is measured.
    """
    chosen: dict[frozenset[Kind], Parcel] = {}
    for parcel in parcels:
        chosen.setdefault(frozenset(parcel.kinds), parcel)
    plain = TransactionShape(shape.version, loaded_accounts_bytes=shape.loaded_accounts_bytes)
    return tuple(
        Sample(parcel.kinds, unsigned_wire(_unlimited(parcel, fee_payer, plain)))
        for parcel in list(chosen.values())[:most]
    )


def _parcel(filled: Bin, shape: TransactionShape) -> Parcel:
    loads = sorted(filled.loads, key=lambda load: load.position)
    # Within `MAX_UNITS`: `accepts` has checked it.
    unit_limit = ComputeTable.limit(filled.units)
    budget = shape.budget(unit_limit)
    instructions = [*budget]
    leg_of_instruction: list[int | None] = [None] * len(budget)
    for index, load in enumerate(loads):
        instructions.extend(load.instructions)
        leg_of_instruction.extend([index] * len(load.instructions))
    return Parcel(
        legs=tuple(load.leg for load in loads),
        instructions=tuple(instructions),
        leg_of_instruction=tuple(leg_of_instruction),
        compute_unit_limit=unit_limit,
        priority_fee_lamports=shape.priority_fee(unit_limit),
        kinds=tuple(chain.from_iterable(load.kinds for load in loads)),
        wire_bytes=filled.wire_bytes,
    )


def _creations(
    creations: Sequence[Instruction], fee_payer: Pubkey, shape: TransactionShape, compute: ComputeTable
) -> Parcel:
    kinds = (CREATE_ATA,) * len(creations)
    unit_limit = min(MAX_UNITS, ComputeTable.limit(estimate_of(compute, kinds)))
    instructions = (*shape.budget(unit_limit), *creations)
    accounts = {meta.pubkey for each in instructions for meta in each.accounts}
    programs = {each.program_id for each in instructions}
    return Parcel(
        legs=(),
        instructions=instructions,
        leg_of_instruction=(None,) * len(instructions),
        compute_unit_limit=unit_limit,
        priority_fee_lamports=shape.priority_fee(unit_limit),
        kinds=kinds,
        wire_bytes=wire_bytes_of(
            shape,
            key_count=len(accounts | programs | {fee_payer}),
            signature_count=1,
            instruction_count=len(instructions),
            instruction_bytes=sum(instruction_bytes_of(each, shape.version) for each in instructions),
        ),
    )


def _unlimited(parcel: Parcel, fee_payer: Pubkey, plain: TransactionShape) -> MessageV0 | MessageV1:
    work = [each for each in parcel.instructions if each.program_id != COMPUTE_BUDGET_PROGRAM_ID]
    free = replace(
        parcel,
        instructions=(*plain.budget(MAX_UNITS), *work),
        compute_unit_limit=MAX_UNITS,
        priority_fee_lamports=0,
    )
    return build(free, fee_payer=fee_payer, blockhash=Hash.default(), shape=plain)
