"""Transactions being filled: what a wallet adds to one, and whether it still fits.

Accounts are small numbers here (`Codes`), since packing spends its time on sets of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import COMPUTE_BUDGET_PROGRAM_ID
from solpay_pipeline.chain.sending.compute import MAX_UNITS, UNITS_OF_BUDGET, ComputeTable, Kind, kind_of
from solpay_pipeline.chain.sending.instructions import lower
from solpay_pipeline.chain.sending.wire import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    TransactionShape,
    instruction_bytes_of,
    wire_bytes_of,
)
from solpay_pipeline.lifecycle.actions import Action, Leg

Codes = dict[Pubkey, int]
"""Numbers of the addresses met so far."""

FEE_PAYER: Final = 0
COMPUTE_BUDGET: Final = 1


def codes_for(fee_payer: Pubkey) -> Codes:
    """The numbers that a packing starts with."""
    return {fee_payer: FEE_PAYER, COMPUTE_BUDGET_PROGRAM_ID: COMPUTE_BUDGET}


@dataclass(frozen=True, slots=True)
class Load:
    """What a leg adds to a transaction."""

    position: int
    leg: Leg
    instructions: tuple[Instruction, ...] = ()
    keys: frozenset[int] = frozenset()
    signers: frozenset[int] = frozenset()
    instruction_bytes: int = 0
    units: int = 0
    kinds: tuple[Kind, ...] = ()

    @property
    def weight(self) -> int:
        """Bytes that it adds where it shares no account."""
        return self.instruction_bytes + KEY_BYTES * len(self.keys) + SIGNATURE_BYTES * len(self.signers)


@dataclass(slots=True)
class Bin:
    """A transaction being filled."""

    shape: TransactionShape
    keys: set[int] = field(default_factory=set)
    signers: set[int] = field(default_factory=lambda: {FEE_PAYER})
    instruction_bytes: int = 0
    instruction_count: int = 0
    units: int = UNITS_OF_BUDGET
    loads: list[Load] = field(default_factory=list)

    def __post_init__(self) -> None:
        budget = self.shape.budget(MAX_UNITS)
        self.keys.update({FEE_PAYER, COMPUTE_BUDGET} if budget else {FEE_PAYER})
        self.instruction_count = len(budget)
        self.instruction_bytes = sum(instruction_bytes_of(each, self.shape.version) for each in budget)

    def accepts(self, load: Load) -> bool:
        """Whether the transaction stays within every limit with `load` in it."""
        limits = self.shape.limits
        key_count = len(self.keys) + len(load.keys - self.keys)
        signature_count = len(self.signers) + len(load.signers - self.signers)
        instruction_count = self.instruction_count + len(load.instructions)
        return (
            signature_count <= limits.signatures
            and key_count <= limits.accounts
            and instruction_count <= limits.instructions
            and ComputeTable.limit(self.units + load.units) <= limits.compute_units
            and wire_bytes_of(
                self.shape,
                key_count=key_count,
                signature_count=signature_count,
                instruction_count=instruction_count,
                instruction_bytes=self.instruction_bytes + load.instruction_bytes,
            )
            <= limits.wire_bytes
        )

    def add(self, load: Load) -> None:
        """Take `load` in."""
        self.keys |= load.keys
        self.signers |= load.signers
        self.instruction_bytes += load.instruction_bytes
        self.instruction_count += len(load.instructions)
        self.units += load.units
        self.loads.append(load)

    @property
    def has_room(self) -> bool:
        """Whether one more wallet could fit: it brings a signature, its own key, and an instruction."""
        limits = self.shape.limits
        return (
            len(self.signers) < limits.signatures
            and len(self.keys) < limits.accounts
            and self.instruction_count < limits.instructions
            and self.wire_bytes + SIGNATURE_BYTES + KEY_BYTES < limits.wire_bytes
        )

    @property
    def wire_bytes(self) -> int:
        """Bytes of the signed transaction so far."""
        return wire_bytes_of(
            self.shape,
            key_count=len(self.keys),
            signature_count=len(self.signers),
            instruction_count=self.instruction_count,
            instruction_bytes=self.instruction_bytes,
        )


def largest_load(position: int, leg: Leg, empty: Bin, compute: ComputeTable, codes: Codes) -> Load | None:
    """As many steps of `leg` as an `empty` transaction can hold, None where it can't hold the first."""
    if not leg.actions:
        raise ValueError(f"the leg of wallet {leg.wallet_id} has no actions")
    load = Load(position, replace(leg, steps=()))
    whole = _with_steps(load, leg, leg.steps, empty.shape, compute, codes)
    if empty.accepts(whole):
        return whole
    largest = None
    for count, step in enumerate(leg.steps, start=1):
        load = _with_steps(load, replace(leg, steps=leg.steps[:count]), [step], empty.shape, compute, codes)
        if not empty.accepts(load):
            break
        if load.instructions:
            largest = load
    return largest


def _with_steps(
    load: Load,
    leg: Leg,
    steps: Iterable[Sequence[Action]],
    shape: TransactionShape,
    compute: ComputeTable,
    codes: Codes,
) -> Load:
    """`load` with the last `steps` of `leg`, whose other steps it already has."""
    actions = list(chain.from_iterable(steps))
    instructions = tuple(chain.from_iterable(lower(action, leg.owner) for action in actions))
    keys: set[int] = set()
    signers: set[int] = set()
    for instruction in instructions:
        keys.add(codes.setdefault(instruction.program_id, len(codes)))
        for meta in instruction.accounts:
            code = codes.setdefault(meta.pubkey, len(codes))
            keys.add(code)
            if meta.is_signer:
                signers.add(code)
    kinds = tuple(kind_of(action) for action in actions)
    return Load(
        position=load.position,
        leg=leg,
        instructions=load.instructions + instructions,
        keys=load.keys | keys,
        signers=load.signers | signers,
        instruction_bytes=load.instruction_bytes
        + sum(instruction_bytes_of(each, shape.version) for each in instructions),
        units=load.units + sum(compute.of_kind(kind) for kind in kinds),
        kinds=load.kinds + kinds,
    )
