"""Compute limits follow what the chain really uses, and priority fees what it asks, up to a cap."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from solpay_pipeline.chain.reading.addresses import (
    SYSTEM_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    associated_token_address,
)
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc
from solpay_pipeline.chain.sending.compute import ComputeTable, calibrate, percentile_of, priority_price
from solpay_pipeline.chain.sending.packing import Packed, build, pack, samples
from solpay_pipeline.chain.sending.wire import TransactionShape, sign
from solpay_pipeline.lifecycle.actions import CloseAccount, HarvestWithheld, Leg, MoveLamports, MoveTokens
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.server.server import Node, running
from solpay_pipeline_tests.rooms.chain import ground as at
from solpay_pipeline_tests.rooms.chain.ground import Ground

pytestmark = pytest.mark.anyio

START = ComputeTable()
SHAPES = [TransactionShape(), TransactionShape(version=1)]


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
def node(ground: Ground) -> Iterator[Node]:
    with running(ground.chain) as node:
        yield node


def packed(ground: Ground, legs: list[Leg], shape: TransactionShape, table: ComputeTable) -> Packed:
    return pack(legs, fee_payer=ground.fee_payer.pubkey(), shape=shape, compute=table)


async def calibrated(ground: Ground, node: Node, legs: list[Leg], shape: TransactionShape) -> ComputeTable:
    taken = samples(
        packed(ground, legs, shape, START).parcels, fee_payer=ground.fee_payer.pubkey(), shape=shape
    )
    async with Rpc([Endpoint(SecretStr(node.url))]) as rpc:
        return await calibrate(rpc, START, taken, commitment=Commitment.PROCESSED)


@pytest.mark.parametrize("shape", SHAPES, ids=["v0", "v1"])
async def test_after_one_simulation_the_limit_is_near_what_is_used_and_still_enough(ground, node, shape):
    mints = [ground.mint(), ground.mint(TOKEN_2022_PROGRAM_ID, at.TRANSFER_FEE)]
    wallets, legs = [ground.keypair() for _ in range(3)], []
    for number, wallet in enumerate(wallets):
        steps = []
        for mint in mints:
            ata = ground.issue(wallet.pubkey(), mint, 1_000)
            destination = ground.ata(ground.receiver, mint)
            step = [MoveTokens(ata, mint.address, mint.program, 6, 1_000, destination)]
            if mint.has_transfer_fee:
                step.append(HarvestWithheld(ata, mint.address, mint.program, 0))
            steps.append((*step, CloseAccount(ata, mint.program, 0, ground.fee_payer.pubkey())))
        legs.append(Leg(number, wallet.pubkey(), tuple(steps)))
    before = packed(ground, legs, shape, START).parcels[0].compute_unit_limit
    table = await calibrated(ground, node, legs, shape)
    after = 0
    for parcel in packed(ground, legs, shape, table).parcels:
        after = after or parcel.compute_unit_limit
        message = build(
            parcel,
            fee_payer=ground.fee_payer.pubkey(),
            blockhash=ground.chain.latest_blockhash()[0],
            shape=shape,
        )
        record = ground.chain.submit(sign(message, [ground.fee_payer, *wallets])[1])
        assert record.err is None
        assert record.executed.compute_units <= parcel.compute_unit_limit
    assert after < before


async def test_calibration_costs_one_call_for_each_mix_of_actions(ground, node):
    wallets = [ground.keypair().pubkey() for _ in range(20)]
    for owner in wallets:
        ground.pay(owner, 1_000_000)
    legs = [
        Leg(number, owner, ((MoveLamports(1_000_000, ground.receiver),),))
        for number, owner in enumerate(wallets)
    ]
    table = await calibrated(ground, node, legs, TransactionShape())
    assert node.calls == {"simulateTransaction": 1}
    assert 150 <= table.units[MoveLamports, SYSTEM_PROGRAM_ID, False] < 300


async def test_a_sample_that_fails_changes_nothing(ground, node):
    owner, mint = ground.keypair().pubkey(), ground.mint()
    missing = associated_token_address(owner, mint.address, TOKEN_PROGRAM_ID)
    leg = Leg(1, owner, ((CloseAccount(missing, TOKEN_PROGRAM_ID, 0, ground.fee_payer.pubkey()),),))
    table = await calibrated(ground, node, [leg], TransactionShape())
    assert table.units == START.units


async def test_a_chain_that_asks_for_no_priority_gets_none(ground, node):
    async with Rpc([Endpoint(SecretStr(node.url))]) as rpc:
        assert await priority_price(rpc, [ground.fee_payer.pubkey()]) == 0


def test_a_percentile_is_a_price_that_was_paid():
    assert percentile_of([], 75) == 0
    assert percentile_of([7], 75) == 7
    assert percentile_of([1, 2, 3, 4], 75) == 3
    assert percentile_of([1, 2, 3, 4], 100) == 4
    assert percentile_of([1, 2, 3, 4], 0) == 1


@given(st.integers(1, 10**12), st.integers(0, 10**9), st.integers(1, 1_400_000))
def test_no_price_ever_costs_more_than_the_cap(price, cap, unit_limit):
    shape = TransactionShape(compute_unit_price=price, max_priority_fee_lamports=cap)
    assert 0 <= shape.priority_fee(unit_limit) <= cap
    assert (len(shape.budget(unit_limit)) == 2) == shape.pays_priority
