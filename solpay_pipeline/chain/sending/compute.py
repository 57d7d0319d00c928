"""Compute units and priority fees: what a transaction asks the scheduler for.

A limit that is too low fails the transaction; one that is too high costs more priority fee.
The table starts from safe values; `calibrate` replaces them by what this chain does today, since programs
are rewritten under their address (p-token made a transfer sixty times cheaper in May 2026).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import (
    ASSOCIATED_TOKEN_PROGRAM_ID,
    SYSTEM_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
)
from solpay_pipeline.chain.rpc.client import Rpc
from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    MoveLamports,
    MoveTokens,
    OpenAccount,
    RecoverNested,
)
from solpay_pipeline.lifecycle.terms import Commitment

MAX_UNITS: Final = 1_400_000
"""Most compute units that a transaction may ask for (`MAX_COMPUTE_UNIT_LIMIT` of the runtime)."""

UNITS_OF_BUDGET: Final = 300
"""The compute-budget pair itself, 150 each."""

MARGIN_UNITS: Final = 5_000
"""Added to every limit, above a fifth of the estimate."""

Kind = tuple[type[Action] | None, Pubkey, bool]
"""Action type (None: creation of an ATA), program, and whether the destination demands a memo."""

CREATE_ATA: Final[Kind] = (None, ASSOCIATED_TOKEN_PROGRAM_ID, False)

# Start values: the most that the classic token program before p-token and Token-2022 with many extensions were seen to
# need. The embedded chain of today takes 105 for a TransferChecked of p-token and 2,031 to 4,033 for one of Token-2022
# (plain, five extensions), 118 and 1,574 to 2,191 for a CloseAccount, 1,407 for a harvest, 960 for a memo.
START_UNITS: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        (MoveLamports, SYSTEM_PROGRAM_ID, False): 150,
        (MoveTokens, TOKEN_PROGRAM_ID, False): 6_500,
        (MoveTokens, TOKEN_2022_PROGRAM_ID, False): 9_000,
        (MoveTokens, TOKEN_2022_PROGRAM_ID, True): 12_000,
        (HarvestWithheld, TOKEN_2022_PROGRAM_ID, False): 6_000,
        (CloseAccount, TOKEN_PROGRAM_ID, False): 3_100,
        (CloseAccount, TOKEN_2022_PROGRAM_ID, False): 5_000,
        (RecoverNested, TOKEN_PROGRAM_ID, False): 60_000,
        (RecoverNested, TOKEN_2022_PROGRAM_ID, False): 80_000,
        CREATE_ATA: 40_000,
    }
)

SPREAD: Final[Mapping[Pubkey, int]] = MappingProxyType({TOKEN_2022_PROGRAM_ID: 2})
"""How many times the measured units another mint of the program may need: extensions doubled a transfer."""

UNKNOWN_UNITS: Final = 30_000
"""For a kind that has no start value."""


@dataclass(frozen=True, slots=True)
class ComputeTable:
    """Compute units by kind of action."""

    units: Mapping[Kind, int] = field(default_factory=lambda: START_UNITS)

    def of_kind(self, kind: Kind) -> int:
        """Units of one action of this kind, with its memo and sync."""
        return self.units.get(kind, UNKNOWN_UNITS)

    @staticmethod
    def limit(estimate: int) -> int:
        """The limit to ask for where `estimate` units are expected; one above `MAX_UNITS` is not allowed."""
        return estimate + estimate // 5 + MARGIN_UNITS


@dataclass(frozen=True, slots=True)
class Sample:
    """A transaction to simulate for its compute units: the kinds of its actions and its unsigned bytes."""

    kinds: tuple[Kind, ...]
    wire: bytes


def kind_of(action: Action) -> Kind:
    """What the cost of an action depends on."""
    match action:
        case MoveLamports():
            return (MoveLamports, SYSTEM_PROGRAM_ID, False)
        case MoveTokens():
            return (MoveTokens, action.program, action.memo)
        case OpenAccount():
            return CREATE_ATA
        case HarvestWithheld() | CloseAccount() | RecoverNested():
            return (type(action), action.program, False)


async def calibrate(
    rpc: Rpc, table: ComputeTable, samples: Sequence[Sample], *, commitment: Commitment
) -> ComputeTable:
    """A table scaled to what the simulation of `samples` used; a kind in several samples gets the highest.

    Each sample costs a call. One that fails says nothing about units and is skipped: the same parcel will fail
    preflight and is handled there.
    """
    measured: dict[Kind, int] = {}
    for sample in samples:
        simulation = await rpc.simulate(sample.wire, commitment=commitment, replace_blockhash=True)
        if simulation.err is not None or not simulation.units:
            continue
        estimate = sum(table.of_kind(kind) for kind in sample.kinds)
        for kind in set(sample.kinds):
            scaled = -(-table.of_kind(kind) * simulation.units * SPREAD.get(kind[1], 1) // estimate)
            measured[kind] = max(scaled, measured.get(kind, 0))
    return replace(table, units=MappingProxyType({**table.units, **measured}))


async def priority_price(rpc: Rpc, accounts: Sequence[Pubkey], *, percentile: int = 75) -> int:
    """Micro-lamports a compute unit that recent blocks took for writing `accounts`; 0 where none was needed.

    getRecentPrioritizationFees tells the lowest price of each of 150 slots, not the market's, hence a high
    percentile (docs/solana.md#priority-fees). The cap in lamports belongs to the transaction, see
    `wire.TransactionShape`.
    """
    prices = sorted(await rpc.recent_priority_fees(accounts))
    return percentile_of(prices, percentile)


def percentile_of(ordered: Sequence[int], percentile: int) -> int:
    """The smallest of the `ordered` values that at least `percentile` percent do not exceed; 0 without values."""
    if not ordered:
        return 0
    return ordered[max(0, -(-len(ordered) * percentile // 100) - 1)]


def estimate_of(table: ComputeTable, kinds: Iterable[Kind]) -> int:
    """Units of a transaction with actions of these kinds."""
    return UNITS_OF_BUDGET + sum(table.of_kind(kind) for kind in kinds)
