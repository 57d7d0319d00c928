"""How many wallets share a transaction, and that none is lost on the way."""

import time
from collections import Counter
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from solpay_pipeline.chain.reading.addresses import (
    COMPUTE_BUDGET_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    WRAPPED_SOL_MINT,
    associated_token_address,
)
from solpay_pipeline.chain.sending.compute import MAX_UNITS, ComputeTable
from solpay_pipeline.chain.sending.instructions import create_ata_idempotent, lower
from solpay_pipeline.chain.sending.packing import Packed, Parcel, build, pack, pack_creations, samples
from solpay_pipeline.chain.sending.wire import (
    CannotSign,
    TransactionShape,
    TransactionTooLarge,
    sign,
    unsigned_wire,
)
from solpay_pipeline.lifecycle.actions import (
    Action,
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
)

FEE_PAYER = Keypair.from_seed(bytes([1]) * 32)
RECEIVER = Keypair.from_seed(bytes([2]) * 32).pubkey()
MINTS = [Pubkey.from_bytes(bytes([3]) * 31 + bytes([number])) for number in range(6)]
TABLE = ComputeTable()

V0 = TransactionShape()
V0_PRICED = TransactionShape(compute_unit_price=1_000, max_priority_fee_lamports=50_000)
V1 = TransactionShape(version=1)
V1_PRICED = TransactionShape(version=1, compute_unit_price=1_000, max_priority_fee_lamports=50_000)
SHAPES = [V0, V0_PRICED, V1, V1_PRICED]


def keypair(number: int) -> Keypair:
    return Keypair.from_seed(number.to_bytes(32, "big"))


KEYPAIRS = [keypair(1_000 + number) for number in range(1_000)]


def account_of(owner: Pubkey, mint: Pubkey, program: Pubkey = TOKEN_PROGRAM_ID) -> Pubkey:
    return associated_token_address(owner, mint, program)


def sol(owner: Pubkey) -> tuple[Action, ...]:
    return (MoveLamports(890_880, RECEIVER),)


def close(owner: Pubkey, mint: Pubkey, program: Pubkey = TOKEN_PROGRAM_ID) -> tuple[Action, ...]:
    return (CloseAccount(account_of(owner, mint, program), program, 2_039_280, FEE_PAYER.pubkey()),)


def move(
    owner: Pubkey, mint: Pubkey, program: Pubkey = TOKEN_PROGRAM_ID, memo: bool = False
) -> tuple[Action, ...]:
    return (
        MoveTokens(
            account_of(owner, mint, program),
            mint,
            program,
            6,
            5_000_000,
            account_of(RECEIVER, mint, program),
            memo,
        ),
    )


def sweep(owner: Pubkey, mint: Pubkey) -> tuple[Action, ...]:
    return move(owner, mint) + close(owner, mint)


def sweep_with_fee(owner: Pubkey, mint: Pubkey) -> tuple[Action, ...]:
    account = account_of(owner, mint, TOKEN_2022_PROGRAM_ID)
    return (
        *move(owner, mint, TOKEN_2022_PROGRAM_ID),
        HarvestWithheld(account, mint, TOKEN_2022_PROGRAM_ID, 7),
        *close(owner, mint, TOKEN_2022_PROGRAM_ID),
    )


def legs_of(count: int, *steps) -> list[Leg]:
    return [
        Leg(number, KEYPAIRS[number].pubkey(), tuple(step(KEYPAIRS[number].pubkey()) for step in steps))
        for number in range(count)
    ]


def packed(legs: list[Leg], shape: TransactionShape) -> Packed:
    return pack(legs, fee_payer=FEE_PAYER.pubkey(), shape=shape, compute=TABLE)


def wire_of(parcel: Parcel, shape: TransactionShape) -> bytes:
    message = build(parcel, fee_payer=FEE_PAYER.pubkey(), blockhash=Hash.new_unique(), shape=shape)
    return sign(message, [FEE_PAYER, *KEYPAIRS[:40]])[1]


def wallets_in_first(legs: list[Leg], shape: TransactionShape) -> tuple[int, int]:
    first = packed(legs, shape).parcels[0]
    assert len(wire_of(first, shape)) == first.wire_bytes
    return len(first.legs), first.wire_bytes


# ---- the figures of docs/solana.md#sizes-and-fees


@pytest.mark.parametrize(
    ("steps", "with_pair"),
    [
        ([sol], (8, 1_156)),
        ([lambda owner: sweep(owner, MINTS[0])], (6, 1_196)),
        ([lambda owner: sweep(owner, MINTS[0]), lambda owner: close(owner, MINTS[1])], (4, 1_048)),
        ([lambda owner: close(owner, MINTS[0])], (7, 1_165)),
        ([lambda owner: close(owner, MINTS[0]), lambda owner: close(owner, MINTS[1])], (5, 1_090)),
    ],
    ids=["sol", "sweep and close", "sweep and two closes", "close", "two closes"],
)
def test_as_many_wallets_share_a_priced_transaction_as_were_measured(steps, with_pair):
    assert wallets_in_first(legs_of(20, *steps), V0_PRICED) == with_pair


def test_without_a_price_five_wallets_with_a_transfer_and_two_closes_share_a_transaction():
    steps = [lambda owner: sweep(owner, MINTS[0]), lambda owner: close(owner, MINTS[1])]
    assert wallets_in_first(legs_of(20, *steps), V0) == (5, 1_227)


@pytest.mark.parametrize("steps", [[sol], [lambda owner: sweep(owner, MINTS[0])]])
def test_a_version_1_transaction_carries_eleven_wallets(steps):
    assert wallets_in_first(legs_of(30, *steps), V1)[0] == 11


# ---- properties


KINDS = st.sampled_from(["sol", "sweep", "close", "fee", "memo", "wrapped"])


@st.composite
def legs(draw) -> list[Leg]:
    drawn = []
    for number in range(draw(st.integers(1, 25))):
        owner = KEYPAIRS[number].pubkey()
        steps = []
        for _ in range(draw(st.integers(1, 14)) if draw(st.booleans()) else draw(st.integers(1, 3))):
            mint = draw(st.sampled_from(MINTS))
            match draw(KINDS):
                case "sol":
                    steps.append(sol(owner))
                case "sweep":
                    steps.append(sweep(owner, mint))
                case "close":
                    steps.append(close(owner, mint))
                case "fee":
                    steps.append(sweep_with_fee(owner, mint))
                case "memo":
                    steps.append(move(owner, mint, TOKEN_2022_PROGRAM_ID, memo=True))
                case "wrapped":
                    steps.append(sweep(owner, WRAPPED_SOL_MINT))
        drawn.append(Leg(number, owner, tuple(steps)))
    return drawn


@settings(max_examples=60, deadline=None)
@given(legs(), st.sampled_from(SHAPES))
def test_every_parcel_really_fits_and_is_as_long_as_computed(wallets, shape):
    limits = shape.limits
    for parcel in packed(wallets, shape).parcels:
        wire = wire_of(parcel, shape)
        assert len(wire) == parcel.wire_bytes <= limits.wire_bytes
        transaction = VersionedTransaction.from_bytes(wire)
        assert len(transaction.signatures) == parcel.signature_count <= limits.signatures
        assert len(transaction.message.account_keys) <= limits.accounts
        assert len(transaction.message.instructions) == len(parcel.instructions) <= limits.instructions
        assert 0 < parcel.compute_unit_limit <= MAX_UNITS
        assert parcel.priority_fee_lamports <= shape.max_priority_fee_lamports


@settings(max_examples=60, deadline=None)
@given(legs(), st.sampled_from(SHAPES))
def test_every_wallet_is_in_one_parcel_or_handed_back_and_none_loses_an_instruction(wallets, shape):
    result = packed(wallets, shape)
    carried = [leg for parcel in result.parcels for leg in parcel.legs]
    assert Counter(leg.wallet_id for leg in [*carried, *result.unpackable]) == Counter(
        leg.wallet_id for leg in wallets
    )
    whole = {leg.wallet_id: leg for leg in wallets}
    for leg in carried:
        assert leg.steps
        assert leg.steps == whole[leg.wallet_id].steps[: len(leg.steps)]
    for parcel in result.parcels:
        for index, leg in enumerate(parcel.legs):
            placed = [
                each
                for each, of in zip(parcel.instructions, parcel.leg_of_instruction, strict=True)
                if of == index
            ]
            assert placed == list(chain.from_iterable(lower(action, leg.owner) for action in leg.actions))
        others = [
            each
            for each, of in zip(parcel.instructions, parcel.leg_of_instruction, strict=True)
            if of is None
        ]
        assert all(each.program_id == COMPUTE_BUDGET_PROGRAM_ID for each in others)


@settings(max_examples=25, deadline=None)
@given(legs(), st.sampled_from(SHAPES))
def test_packing_the_same_wallets_twice_gives_the_same_parcels(wallets, shape):
    assert packed(wallets, shape) == packed(wallets, shape)


@settings(max_examples=40, deadline=None)
@given(legs(), st.sampled_from(SHAPES))
def test_no_two_parcels_would_fit_into_one(wallets, shape):
    parcels = packed(wallets, shape).parcels
    for one, other in pairwise(parcels):
        assert len(packed([*one.legs, *other.legs], shape).parcels) >= 2


# ---- edges


def test_a_wallet_too_large_for_a_transaction_is_cut_between_its_steps():
    owner = KEYPAIRS[0].pubkey()
    mints = [Pubkey.from_bytes(bytes([4]) * 31 + bytes([number])) for number in range(40)]
    leg = Leg(7, owner, tuple(sweep(owner, mint) for mint in mints))
    result = packed([leg], V0)
    (parcel,) = result.parcels
    (part,) = parcel.legs
    assert result.unpackable == ()
    assert 5 < len(part.steps) < 40
    assert part.steps == leg.steps[: len(part.steps)]
    assert len(wire_of(parcel, V0)) <= 1_232


def test_a_step_too_large_for_any_transaction_is_handed_back_and_the_others_go_on():
    owner = KEYPAIRS[0].pubkey()
    mints = [Pubkey.from_bytes(bytes([4]) * 31 + bytes([number])) for number in range(40)]
    giant = Leg(7, owner, (tuple(action for mint in mints for action in sweep(owner, mint)),))
    result = packed([giant, *legs_of(9, sol)[1:]], V0)
    assert result.unpackable == (giant,)
    assert sum(len(parcel.legs) for parcel in result.parcels) == 8


def test_one_owner_closes_more_accounts_in_a_transaction_than_the_measured_23():
    owner = KEYPAIRS[0].pubkey()
    mints = [Pubkey.from_bytes(bytes([4]) * 31 + bytes([number])) for number in range(40)]
    leg = Leg(7, owner, tuple(close(owner, mint) for mint in mints))
    assert len(packed([leg], V0_PRICED).parcels[0].legs[0].steps) >= 23


def test_compute_units_limit_a_parcel_as_bytes_do():
    hungry = ComputeTable(units=dict.fromkeys(TABLE.units, 400000))
    result = pack(legs_of(6, sol), fee_payer=FEE_PAYER.pubkey(), shape=V0, compute=hungry)
    assert [len(parcel.legs) for parcel in result.parcels] == [2, 2, 2]


def test_the_priority_fee_of_a_transaction_never_exceeds_the_cap():
    dear = TransactionShape(compute_unit_price=10**9, max_priority_fee_lamports=2)
    for parcel in packed(legs_of(20, lambda owner: sweep(owner, MINTS[0])), dear).parcels:
        assert parcel.priority_fee_lamports <= 2
        assert len(wire_of(parcel, dear)) == parcel.wire_bytes


def test_a_leg_without_actions_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="wallet 1 has no actions"):
        packed([Leg(1, KEYPAIRS[0].pubkey(), ())], V0)


def test_a_wallet_whose_first_step_is_empty_is_never_packed_without_an_instruction():
    owner = KEYPAIRS[0].pubkey()
    mints = [Pubkey.from_bytes(bytes([4]) * 31 + bytes([number])) for number in range(40)]
    giant = tuple(action for mint in mints for action in sweep(owner, mint))
    assert packed([Leg(1, owner, ((), giant))], V0).unpackable
    assert packed([Leg(1, owner, ((), sol(owner)))], V0).parcels[0].legs[0].actions


def test_nothing_packs_into_nothing():
    assert packed([], V0) == Packed(())


def test_creations_of_receiver_accounts_share_transactions():
    creations = [
        create_ata_idempotent(FEE_PAYER.pubkey(), RECEIVER, mint, TOKEN_PROGRAM_ID) for mint in MINTS
    ]
    for shape in SHAPES:
        parcels = pack_creations(creations * 3, fee_payer=FEE_PAYER.pubkey(), shape=shape, compute=TABLE)
        for parcel in parcels:
            assert len(wire_of(parcel, shape)) == parcel.wire_bytes <= shape.limits.wire_bytes
        made = [each for parcel in parcels for each in parcel.instructions if len(each.accounts) == 6]
        assert made == creations * 3


def test_a_sample_is_taken_of_each_mix_of_actions():
    parcels = (
        packed(legs_of(9, sol), V0).parcels + packed(legs_of(7, lambda o: sweep(o, MINTS[0])), V0).parcels
    )
    taken = samples(parcels, fee_payer=FEE_PAYER.pubkey(), shape=V0)
    assert [len(set(sample.kinds)) for sample in taken] == [1, 2]


def test_signing_refuses_what_is_too_long():
    owner = KEYPAIRS[0].pubkey()
    instructions = tuple(
        lower(MoveLamports(1, Pubkey.from_bytes(bytes([5]) * 31 + bytes([number]))), owner)[0]
        for number in range(40)
    )
    parcel = Parcel((), instructions, (None,) * 40, 1_000)
    message = build(parcel, fee_payer=FEE_PAYER.pubkey(), blockhash=Hash.default(), shape=V0)
    with pytest.raises(TransactionTooLarge, match="1232"):
        sign(message, [FEE_PAYER, KEYPAIRS[0]])


def test_signing_names_the_address_whose_key_is_missing():
    parcel = packed(legs_of(2, sol), V0).parcels[0]
    message = build(parcel, fee_payer=FEE_PAYER.pubkey(), blockhash=Hash.default(), shape=V0)
    with pytest.raises(CannotSign, match=str(KEYPAIRS[1].pubkey())):
        sign(message, [FEE_PAYER, KEYPAIRS[0]])


@pytest.mark.parametrize("shape", SHAPES)
def test_an_unsigned_transaction_is_as_long_as_the_signed_one(shape):
    parcel = packed(legs_of(4, lambda owner: sweep(owner, MINTS[0])), shape).parcels[0]
    message = build(parcel, fee_payer=FEE_PAYER.pubkey(), blockhash=Hash.default(), shape=shape)
    assert len(unsigned_wire(message)) == parcel.wire_bytes


def test_a_thousand_wallets_are_packed_within_a_second():
    wallets = legs_of(1_000, lambda owner: sweep(owner, MINTS[0]), lambda owner: close(owner, MINTS[1]))
    started = time.process_time()
    result = packed(wallets, V0)
    assert time.process_time() - started < 1
    assert len(result.parcels) == 200


def test_dust_of_fifty_mints_in_every_wallet_does_not_slow_the_packing_down():
    mints = [Pubkey.from_bytes(bytes([4]) * 31 + bytes([number])) for number in range(50)]
    program = TOKEN_PROGRAM_ID
    wallets = []
    for number in range(100):
        owner = KEYPAIRS[number].pubkey()
        # Any address will do for the size: deriving 5,000 of them is not what is timed.
        steps = tuple((CloseAccount(Pubkey.new_unique(), program, 5, FEE_PAYER.pubkey()),) for _ in mints)
        wallets.append(Leg(number, owner, steps))
    started = time.process_time()
    result = packed(wallets, V0)
    assert time.process_time() - started < 1.5
    assert len(result.parcels) == 100
