"""What exactly stands in a parcel, and that each limit of a transaction is used up to its last unit."""

from dataclasses import replace

import pytest
from solders.hash import Hash
from solders.message import MessageV1
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from solpay_pipeline.chain.reading.addresses import (
    COMPUTE_BUDGET_PROGRAM_ID,
    SYSTEM_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
)
from solpay_pipeline.chain.sending import packing
from solpay_pipeline.chain.sending.compute import (
    CREATE_ATA,
    MAX_UNITS,
    UNITS_OF_BUDGET,
    ComputeTable,
    kind_of,
)
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent, lower
from solpay_pipeline.chain.sending.packing import Parcel, build, pack_creations, samples
from solpay_pipeline.chain.sending.wire import LIMITS, PackingLimits, TransactionShape
from solpay_pipeline.lifecycle.actions import CloseAccount, Leg, MoveLamports, MoveTokens
from solpay_pipeline_tests.rooms.chain.test_packing import (
    FEE_PAYER,
    MINTS,
    RECEIVER,
    SHAPES,
    TABLE,
    V0,
    V0_PRICED,
    V1,
    V1_PRICED,
    close,
    legs_of,
    packed,
    sol,
    sweep,
    wire_of,
)

PAYER = FEE_PAYER.pubkey()
ROOMY = PackingLimits(wire_bytes=1_232, signatures=19, accounts=64)


def sizes(legs: list[Leg], shape: TransactionShape = V0) -> list[int]:
    return [len(parcel.legs) for parcel in packed(legs, shape).parcels]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_parcel_has_the_instructions_of_its_legs_in_their_order(shape: TransactionShape) -> None:
    legs = legs_of(2, sol, lambda owner: sweep(owner, MINTS[0]))
    [parcel] = packed(legs, shape).parcels
    units = UNITS_OF_BUDGET + 2 * sum(TABLE.of_kind(kind_of(action)) for action in legs[0].actions)
    limit = ComputeTable.limit(units)
    budget = shape.budget(limit)
    assert parcel == Parcel(
        legs=tuple(legs),
        instructions=(
            *budget,
            *(each for leg in legs for action in leg.actions for each in lower(action, leg.owner)),
        ),
        leg_of_instruction=(*[None] * len(budget), 0, 0, 0, 1, 1, 1),
        compute_unit_limit=limit,
        priority_fee_lamports=shape.priority_fee(limit),
        kinds=tuple(kind_of(action) for leg in legs for action in leg.actions),
        wire_bytes=len(wire_of(parcel, shape)),
    )
    assert parcel.signature_count == 3


def test_parcels_stand_in_the_order_of_their_first_wallets_and_wallets_in_theirs() -> None:
    small = legs_of(40, sol)
    large = legs_of(40, lambda owner: sweep(owner, MINTS[0]))
    mixed = [(large if number % 3 else small)[number] for number in range(40)]
    parcels = packed(mixed, V0).parcels
    firsts = [parcel.legs[0].wallet_id for parcel in parcels]
    assert firsts == sorted(firsts)
    for parcel in parcels:
        ids = [leg.wallet_id for leg in parcel.legs]
        assert ids == sorted(ids)
    assert sorted(leg.wallet_id for parcel in parcels for leg in parcel.legs) == list(range(40))


def test_wallets_of_one_mint_travel_together() -> None:
    legs = [
        legs_of(12, lambda owner, mint=MINTS[number % 2]: sweep(owner, mint))[number] for number in range(12)
    ]
    parcels = packed(legs, V0).parcels
    assert [len(parcel.legs) for parcel in parcels] == [6, 6]
    assert all(len({leg.wallet_id % 2 for leg in parcel.legs}) == 1 for parcel in parcels)


def test_the_largest_are_packed_first_and_the_small_fill_what_is_left() -> None:
    def giant(owner: Pubkey) -> tuple[object, ...]:
        return tuple(action for mint in MINTS[:5] for action in close(owner, mint))

    legs = [*legs_of(6, sol)[1:], legs_of(1, giant)[0]]
    first = packed(legs, V0).parcels[0]
    assert {leg.wallet_id for leg in first.legs} >= {0}
    assert len(packed(legs, V0).parcels) == 1


@pytest.mark.parametrize(
    ("limits", "wallets"),
    [
        (ROOMY, 8),
        (replace(ROOMY, signatures=4), 3),
        # The fee payer, the receiver, two programs, and one for each wallet.
        (replace(ROOMY, accounts=8), 4),
        (replace(ROOMY, accounts=7), 3),
        (replace(ROOMY, instructions=6), 5),
        (replace(ROOMY, compute_units=ComputeTable.limit(UNITS_OF_BUDGET + 4 * 150)), 4),
        (replace(ROOMY, compute_units=ComputeTable.limit(UNITS_OF_BUDGET + 4 * 150) - 1), 3),
    ],
)
def test_each_limit_is_used_up_and_never_exceeded(
    limits: PackingLimits, wallets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, 0, limits)
    assert sizes(legs_of(2 * wallets, sol)) == [wallets, wallets]


def test_the_last_byte_is_used_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    [three] = packed(legs_of(3, sol), V0).parcels
    for wire_bytes, wallets in ((three.wire_bytes, [3, 3]), (three.wire_bytes - 1, [2, 2, 2])):
        monkeypatch.setitem(LIMITS, 0, replace(ROOMY, wire_bytes=wire_bytes))
        assert sizes(legs_of(6, sol)) == wallets


def test_of_a_wallet_too_large_as_many_steps_as_fit_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [lambda owner, mint=mint: close(owner, mint) for mint in MINTS]
    [three] = packed(legs_of(1, *steps[:3]), V0).parcels
    for wire_bytes, count in ((three.wire_bytes, 3), (three.wire_bytes - 1, 2)):
        monkeypatch.setitem(LIMITS, 0, replace(ROOMY, wire_bytes=wire_bytes))
        [leg] = legs_of(1, *steps)
        [parcel] = packed([leg], V0).parcels
        assert parcel.legs == (replace(leg, steps=leg.steps[:count]),)
        assert parcel.wire_bytes <= wire_bytes


def test_a_wallet_is_tried_in_so_many_unfinished_parcels_and_no_older_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LIMITS, 0, replace(ROOMY, instructions=4))
    legs = [
        legs_of(4, *steps)[number] for number, steps in enumerate(([sol] * 2, [sol] * 2, [sol] * 2, [sol]))
    ]
    assert sizes(legs) == [2, 1, 1]
    monkeypatch.setattr(packing, "OPEN_PARCELS", 1)
    parcels = packed(legs, V0).parcels
    assert [[leg.wallet_id for leg in parcel.legs] for parcel in parcels] == [[0], [1], [2, 3]]


@pytest.mark.parametrize(("shape", "priority"), [(V0, None), (V1, None), (V1_PRICED, "some")])
def test_a_message_carries_what_its_parcel_says(shape: TransactionShape, priority: str | None) -> None:
    [parcel] = packed(legs_of(2, sol), shape).parcels
    blockhash = Hash.new_unique()
    message = build(parcel, fee_payer=PAYER, blockhash=blockhash, shape=shape)
    assert (message.recent_blockhash, message.account_keys[0]) == (blockhash, PAYER)
    assert len(message.instructions) == len(parcel.instructions)
    if isinstance(message, MessageV1):
        config = message.config
        assert config.compute_unit_limit == parcel.compute_unit_limit
        assert config.loaded_accounts_data_size_limit == shape.loaded_accounts_bytes
        assert config.priority_fee == (parcel.priority_fee_lamports if priority else None)
        assert parcel.priority_fee_lamports > 0 or priority is None


def creations(count: int) -> list[object]:
    mints = [Pubkey.from_bytes(bytes([9]) * 31 + bytes([number])) for number in range(count)]
    return [create_ata_idempotent(PAYER, RECEIVER, mint, TOKEN_PROGRAM_ID) for mint in mints]


@pytest.mark.parametrize("shape", SHAPES)
def test_creations_stand_in_order_and_are_paid_for(shape: TransactionShape) -> None:
    made = creations(3)
    [parcel] = pack_creations(made, fee_payer=PAYER, shape=shape, compute=TABLE)
    limit = ComputeTable.limit(UNITS_OF_BUDGET + 3 * 40_000)
    budget = shape.budget(limit)
    assert parcel == Parcel(
        legs=(),
        instructions=(*budget, *made),
        leg_of_instruction=(None,) * (len(budget) + 3),
        compute_unit_limit=limit,
        priority_fee_lamports=shape.priority_fee(limit),
        kinds=(CREATE_ATA,) * 3,
        wire_bytes=len(wire_of(parcel, shape)),
    )
    assert parcel.signature_count == 1


def creation_counts(made: list[object], shape: TransactionShape) -> list[int]:
    parcels = pack_creations(made, fee_payer=PAYER, shape=shape, compute=TABLE)
    assert [each for parcel in parcels for each in parcel.instructions if len(each.accounts) == 6] == made
    return [len(parcel.kinds) for parcel in parcels]


def test_eight_creations_at_most_share_a_transaction() -> None:
    assert creation_counts(creations(17), V1) == [8, 8, 1]
    assert creation_counts(creations(8), V1) == [8]
    assert creation_counts([], V1) == []


def test_creations_use_the_last_byte_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made = creations(4)
    [two] = pack_creations(made[:2], fee_payer=PAYER, shape=V0, compute=TABLE)
    monkeypatch.setitem(LIMITS, 0, replace(ROOMY, wire_bytes=two.wire_bytes))
    assert creation_counts(made, V0) == [2, 2]
    monkeypatch.setitem(LIMITS, 0, replace(ROOMY, wire_bytes=two.wire_bytes - 1))
    assert creation_counts(made, V0) == [1, 1, 1, 1]
    monkeypatch.setitem(LIMITS, 0, replace(ROOMY, wire_bytes=1))
    assert creation_counts(made[:2], V0) == [1, 1]


def test_creations_ask_for_no_more_units_than_there_are() -> None:
    hungry = ComputeTable(units={CREATE_ATA: 500_000})
    [parcel] = pack_creations(creations(3), fee_payer=PAYER, shape=V1, compute=hungry)
    assert parcel.compute_unit_limit == MAX_UNITS


def test_samples_are_the_first_of_each_mix_without_a_limit_or_a_price() -> None:
    kinds = {
        "sol": packed(legs_of(2, sol), V0_PRICED).parcels[0],
        "more sol": packed(legs_of(3, sol), V0_PRICED).parcels[0],
        "sweep": packed(legs_of(1, lambda owner: sweep(owner, MINTS[0])), V0_PRICED).parcels[0],
        "close": packed(legs_of(1, lambda owner: close(owner, MINTS[0])), V0_PRICED).parcels[0],
    }
    taken = samples(list(kinds.values()), fee_payer=PAYER, shape=V0_PRICED)
    assert [sample.kinds for sample in taken] == [kinds[name].kinds for name in ("sol", "sweep", "close")]
    message = VersionedTransaction.from_bytes(taken[0].wire).message
    assert (message.recent_blockhash, message.account_keys[0]) == (Hash.default(), PAYER)
    programs = [message.account_keys[each.program_id_index] for each in message.instructions]
    assert programs == [COMPUTE_BUDGET_PROGRAM_ID, SYSTEM_PROGRAM_ID, SYSTEM_PROGRAM_ID]
    assert int.from_bytes(bytes(message.instructions[0].data)[1:], "little") == MAX_UNITS
    assert len(samples(list(kinds.values()), fee_payer=PAYER, shape=V0_PRICED, most=2)) == 2


def test_a_sample_of_version_1_asks_for_all_units_and_pays_no_priority() -> None:
    wide = replace(V1_PRICED, loaded_accounts_bytes=12_345_678)
    [sample] = samples(packed(legs_of(2, sol), wide).parcels, fee_payer=PAYER, shape=wide)
    message = VersionedTransaction.from_bytes(sample.wire).message
    assert isinstance(message, MessageV1)
    assert message.config.compute_unit_limit == MAX_UNITS
    assert message.config.priority_fee is None
    assert message.config.loaded_accounts_data_size_limit == 12_345_678


def test_eight_mixes_are_sampled_at_most() -> None:
    [parcel] = packed(legs_of(1, sol), V0).parcels
    all_kinds = [(kind, Pubkey.new_unique(), False) for kind in (MoveLamports, MoveTokens, CloseAccount) * 3]
    mixes = [replace(parcel, kinds=(kind,)) for kind in all_kinds]
    assert len(samples(mixes, fee_payer=PAYER, shape=V0)) == 8


def test_the_key_of_a_wallet_signs_once_however_many_of_its_accounts_travel() -> None:
    steps = [lambda owner, mint=mint: close(owner, mint) for mint in MINTS[:3]]
    [parcel] = packed(legs_of(1, *steps), V0).parcels
    assert parcel.signature_count == 2
    assert len(wire_of(parcel, V0)) == parcel.wire_bytes
