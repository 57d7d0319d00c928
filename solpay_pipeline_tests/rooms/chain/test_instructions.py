"""What we build does on a real SVM what it says, and what we did not build is refused before it is signed."""

from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from solders.compute_budget import request_heap_frame, set_compute_unit_price
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.system_program import AssignParams, TransferParams, assign, transfer
from spl.token import instructions as token
from spl.token import models

from solpay_pipeline.chain.reading.addresses import (
    MEMO_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    WRAPPED_SOL_MINT,
    associated_token_address,
)
from solpay_pipeline.chain.reading.token_state import parse_account, parse_token_account
from solpay_pipeline.chain.sending.compute import ComputeTable
from solpay_pipeline.chain.sending.instructions import (
    MOST_RENT,
    ForbiddenInstruction,
    assert_destinations,
    compute_budget,
    create_ata_idempotent,
    lower,
)
from solpay_pipeline.chain.sending.packing import build, pack
from solpay_pipeline.chain.sending.wire import TransactionShape, sign
from solpay_pipeline.lifecycle.actions import (
    CloseAccount,
    HarvestWithheld,
    Leg,
    MoveLamports,
    MoveTokens,
    RecoverNested,
)
from solpay_pipeline.lifecycle.holdings import Mint, TokenHolding
from solpay_pipeline_tests.rooms.chain import ground as at
from solpay_pipeline_tests.rooms.chain.ground import Ground

TABLE = ComputeTable()


@pytest.fixture
def ground() -> Ground:
    return Ground()


def holding_of(ground: Ground, owner: Pubkey, mint: Mint) -> TokenHolding:
    ata = associated_token_address(owner, mint.address, mint.program)
    return parse_token_account(ata, ground.account(ata), owner=owner, mint=mint)


def emptying(ground: Ground, owner: Pubkey, mint: Mint, memo: bool = False) -> tuple:
    """The step that empties and closes one account, as it stands on chain."""
    holding = holding_of(ground, owner, mint)
    destination = associated_token_address(ground.receiver, mint.address, mint.program)
    step = []
    if holding.amount:
        step.append(
            MoveTokens(
                holding.account,
                mint.address,
                mint.program,
                mint.decimals,
                holding.amount,
                destination,
                memo,
            )
        )
    if holding.withheld:
        step.append(HarvestWithheld(holding.account, mint.address, mint.program, holding.withheld))
    step.append(CloseAccount(holding.account, mint.program, holding.lamports, ground.fee_payer.pubkey()))
    return tuple(step)


def land(ground: Ground, legs: list[Leg], keypairs: list[Keypair], version: int = 0) -> list:
    """Pack, check, sign and land, as an operation does; every transaction must succeed."""
    shape = TransactionShape(version=version)
    packed = pack(legs, fee_payer=ground.fee_payer.pubkey(), shape=shape, compute=TABLE)
    assert not packed.unpackable
    records = []
    for parcel in packed.parcels:
        message = build(
            parcel,
            fee_payer=ground.fee_payer.pubkey(),
            blockhash=ground.chain.latest_blockhash()[0],
            shape=shape,
        )
        assert_destinations(message, receiver=ground.receiver, fee_payer=ground.fee_payer.pubkey())
        _, wire = sign(message, [ground.fee_payer, *keypairs])
        record = ground.chain.submit(wire)
        assert record.err is None, record.executed.logs
        assert record.executed.compute_units <= parcel.compute_unit_limit
        records.append(record)
    return records


@pytest.fixture(params=[0, 1], ids=["v0", "v1"])
def version(request) -> int:
    return request.param


def test_a_classic_token_is_moved_and_its_account_closed_to_the_fee_payer(ground, version):
    wallet, mint = ground.keypair(), ground.mint()
    ata = ground.issue(wallet.pubkey(), mint, 5_000_000)
    main = ground.ata(ground.receiver, mint)
    before, rent = ground.lamports(ground.fee_payer.pubkey()), ground.lamports(ata)
    (record,) = land(
        ground, [Leg(1, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint),))], [wallet], version
    )
    assert ground.account(ata) is None
    assert ground.tokens(main) == 5_000_000
    assert ground.lamports(ground.fee_payer.pubkey()) == before + rent - record.executed.fee


def test_withheld_fees_are_harvested_so_that_the_account_closes(ground, version):
    customer, wallet = ground.keypair(), ground.keypair()
    mint = ground.mint(TOKEN_2022_PROGRAM_ID, at.TRANSFER_FEE)
    ground.issue(customer.pubkey(), mint, 5_000_000)
    ground.send_tokens(customer, wallet.pubkey(), mint, 5_000_000)
    main = ground.ata(ground.receiver, mint)
    holding = holding_of(ground, wallet.pubkey(), mint)
    assert (holding.amount, holding.withheld) == (4_950_000, 50_000)
    land(ground, [Leg(1, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint),))], [wallet], version)
    assert ground.account(holding.account) is None
    received = parse_account(main, ground.account(main))
    assert (received.amount, received.extensions.withheld) == (4_900_500, 49_500)


@pytest.mark.parametrize("synced", [True, False], ids=["synced", "unsynced"])
def test_wrapped_sol_goes_to_the_receiver_and_not_away_with_the_rent(ground, version, synced):
    wallet, mint = ground.keypair(), ground.read_mint(WRAPPED_SOL_MINT)
    ata = ground.wrapped_sol(wallet.pubkey(), 70_000_000, synced)
    main = ground.ata(ground.receiver, mint)
    holding = holding_of(ground, wallet.pubkey(), mint)
    assert holding.is_native
    assert holding.amount == 70_000_000
    before = ground.lamports(ground.fee_payer.pubkey())
    (record,) = land(
        ground, [Leg(1, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint),))], [wallet], version
    )
    assert ground.account(ata) is None
    assert ground.tokens(main) == 70_000_000
    rent = holding.lamports - holding.amount
    assert ground.lamports(ground.fee_payer.pubkey()) == before + rent - record.executed.fee


def test_wrapped_sol_that_came_after_the_look_stays_in_the_wallet(ground, version):
    wallet, mint = ground.keypair(), ground.read_mint(WRAPPED_SOL_MINT)
    ata = ground.wrapped_sol(wallet.pubkey(), 70_000_000, True)
    main = ground.ata(ground.receiver, mint)
    *move, _close = emptying(ground, wallet.pubkey(), mint)
    holding = holding_of(ground, wallet.pubkey(), mint)
    rent = holding.lamports - holding.amount
    close = CloseAccount(ata, mint.program, rent, ground.fee_payer.pubkey(), unwraps=True)
    ground.wrapped_sol(wallet.pubkey(), 30_000_000, True)
    before = ground.lamports(ground.fee_payer.pubkey())
    (record,) = land(ground, [Leg(1, wallet.pubkey(), ((*move, close),))], [wallet], version)
    assert ground.tokens(main) == 70_000_000
    assert ground.lamports(wallet.pubkey()) == 30_000_000
    assert ground.lamports(ground.fee_payer.pubkey()) == before + rent - record.executed.fee


def test_a_destination_that_demands_a_memo_gets_one(version):
    ground = Ground()
    receiver, wallet = ground.keypair(), ground.keypair()
    ground.receiver = receiver.pubkey()
    mint = ground.mint(TOKEN_2022_PROGRAM_ID)
    main = ground.ata(receiver.pubkey(), mint)
    ground.require_memo(main, receiver)
    ground.issue(wallet.pubkey(), mint, 123)
    land(
        ground, [Leg(1, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint, True),))], [wallet], version
    )
    assert ground.tokens(main) == 123


def test_lamports_are_drained_to_nothing(ground, version):
    wallet = ground.keypair()
    ground.pay(wallet.pubkey(), 900_000)
    before = ground.lamports(ground.receiver)
    land(ground, [Leg(1, wallet.pubkey(), ((MoveLamports(900_000, ground.receiver),),))], [wallet], version)
    assert ground.account(wallet.pubkey()) is None
    assert ground.lamports(ground.receiver) == before + 900_000


def test_a_wallet_with_everything_is_emptied_in_two_transactions_at_most(ground, version):
    customer, wallet = ground.keypair(), ground.keypair()
    owner = wallet.pubkey()
    mints = [
        ground.mint(),
        ground.mint(TOKEN_2022_PROGRAM_ID, at.TRANSFER_FEE),
        ground.read_mint(WRAPPED_SOL_MINT),
        ground.mint(TOKEN_2022_PROGRAM_ID),
    ]
    ground.issue(owner, mints[0], 11)
    ground.issue(customer.pubkey(), mints[1], 1_000)
    ground.send_tokens(customer, owner, mints[1], 1_000)
    ground.wrapped_sol(owner, 10**9)
    ground.ata(owner, mints[3])
    ground.pay(owner, 700_000)
    for mint in mints:
        ground.ata(ground.receiver, mint)
    steps = (
        *(emptying(ground, owner, mint) for mint in mints),
        (MoveLamports(700_000, ground.receiver),),
    )
    records = land(ground, [Leg(1, owner, steps)], [wallet], version)
    left = [
        mint for mint in mints if ground.account(associated_token_address(owner, mint.address, mint.program))
    ]
    assert len(records) == 1
    assert not left
    assert ground.account(owner) is None


def test_eleven_wallets_are_swept_by_one_version_1_transaction(ground):
    mint = ground.mint()
    main = ground.ata(ground.receiver, mint)
    wallets = [ground.keypair() for _ in range(11)]
    for wallet in wallets:
        ground.issue(wallet.pubkey(), mint, 5)
    legs = [
        Leg(number, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint),))
        for number, wallet in enumerate(wallets)
    ]
    (record,) = land(ground, legs, wallets, version=1)
    assert ground.tokens(main) == 55
    assert record.executed.fee == 12 * 5_000


@pytest.mark.parametrize("program", [TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID])
def test_a_frozen_account_closes_when_it_is_empty(ground, program):
    wallet, mint = ground.keypair(), ground.mint(program)
    ata = ground.ata(wallet.pubkey(), mint)
    ground.freeze(ata, mint)
    land(ground, [Leg(1, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint),))], [wallet])
    assert ground.account(ata) is None


def test_an_empty_account_of_a_paused_mint_closes(ground):
    wallet, mint = ground.keypair(), ground.mint(TOKEN_2022_PROGRAM_ID, at.PAUSABLE)
    ata = ground.ata(wallet.pubkey(), mint)
    mint = ground.pause(mint)
    land(ground, [Leg(1, wallet.pubkey(), (emptying(ground, wallet.pubkey(), mint),))], [wallet])
    assert ground.account(ata) is None


# ---- the last look before signing

PAYER = Keypair.from_seed(bytes([21]) * 32).pubkey()
RECEIVER = Keypair.from_seed(bytes([22]) * 32).pubkey()
WALLET = Keypair.from_seed(bytes([23]) * 32).pubkey()
THIEF = Keypair.from_seed(bytes([24]) * 32).pubkey()
MINT = Keypair.from_seed(bytes([25]) * 32).pubkey()
SOURCE = associated_token_address(WALLET, MINT, TOKEN_PROGRAM_ID)
MAIN = associated_token_address(RECEIVER, MINT, TOKEN_PROGRAM_ID)


def message_of(*instructions: Instruction, payer: Pubkey = PAYER) -> MessageV0:
    return MessageV0.try_compile(payer, list(instructions), [], at.Ground().chain.latest_blockhash()[0])


def look(*instructions: Instruction, payer: Pubkey = PAYER, cap: int = 0) -> None:
    assert_destinations(
        message_of(*instructions, payer=payer),
        receiver=RECEIVER,
        fee_payer=PAYER,
        max_priority_fee_lamports=cap,
    )


def send(source: Pubkey, destination: Pubkey) -> Instruction:
    return transfer(TransferParams(from_pubkey=source, to_pubkey=destination, lamports=5))


def move(
    destination: Pubkey = MAIN, owner: Pubkey = WALLET, program: Pubkey = TOKEN_PROGRAM_ID
) -> Instruction:
    return lower(MoveTokens(SOURCE, MINT, program, 6, 5, destination), owner)[-1]


def close(rent_to: Pubkey = PAYER, owner: Pubkey = WALLET) -> Instruction:
    return lower(CloseAccount(SOURCE, TOKEN_PROGRAM_ID, 5, rent_to), owner)[0]


def test_where_no_receiver_is_allowed_accounts_are_closed_and_nothing_else_moves():
    def look_without_receiver(instruction: Instruction) -> None:
        assert_destinations(message_of(instruction), receiver=None, fee_payer=PAYER)

    look_without_receiver(close())
    opening = create_ata_idempotent(PAYER, RECEIVER, MINT, TOKEN_PROGRAM_ID)
    for instruction in (send(WALLET, RECEIVER), move(), opening):
        with pytest.raises(ForbiddenInstruction, match="the receiver"):
            look_without_receiver(instruction)


def test_all_that_we_build_is_allowed():
    actions = [
        MoveTokens(SOURCE, MINT, TOKEN_PROGRAM_ID, 6, 5, MAIN, memo=True),
        CloseAccount(SOURCE, TOKEN_PROGRAM_ID, 5, PAYER),
        HarvestWithheld(SOURCE, MINT, TOKEN_2022_PROGRAM_ID, 5),
        MoveLamports(5, RECEIVER),
    ]
    look(
        *compute_budget(10_000, 0),
        create_ata_idempotent(PAYER, RECEIVER, MINT, TOKEN_PROGRAM_ID),
        *chain.from_iterable(lower(action, WALLET) for action in actions),
    )


@pytest.mark.parametrize(
    ("instruction", "why"),
    [
        (send(WALLET, THIEF), "not to the receiver"),
        (send(WALLET, PAYER), "not to the receiver"),
        (send(PAYER, RECEIVER), "only gives fees"),
        (send(RECEIVER, RECEIVER), "only gives fees"),
        (assign(AssignParams(pubkey=WALLET, owner=THIEF)), "no plain system transfer"),
        (move(destination=associated_token_address(THIEF, MINT, TOKEN_PROGRAM_ID)), "no ATA of the receiver"),
        (move(destination=RECEIVER), "no ATA of the receiver"),
        (move(program=TOKEN_2022_PROGRAM_ID), "no ATA of the receiver"),
        (move(owner=PAYER), "only gives fees"),
        (close(rent_to=THIEF), "not to the fee payer"),
        (close(rent_to=WALLET), "not to the fee payer"),
        (close(owner=PAYER), "only gives fees"),
        (create_ata_idempotent(PAYER, THIEF, MINT, TOKEN_PROGRAM_ID), "no ATA of the receiver"),
        (create_ata_idempotent(WALLET, RECEIVER, MINT, TOKEN_PROGRAM_ID), "at the expense"),
        (token.create_associated_token_account(PAYER, RECEIVER, MINT), "neither an idempotent creation"),
        (set_compute_unit_price(1), "no limit"),
        (request_heap_frame(64 * 1024), "not allowed"),
        (Instruction(THIEF, b"", [AccountMeta(WALLET, True, True)]), "calls"),
        (
            token.transfer(
                models.TransferParams(
                    program_id=TOKEN_PROGRAM_ID, source=SOURCE, dest=MAIN, owner=WALLET, amount=5
                )
            ),
            "not allowed",
        ),
        (
            token.approve(
                models.ApproveParams(
                    program_id=TOKEN_PROGRAM_ID, source=SOURCE, delegate=THIEF, owner=WALLET, amount=5
                )
            ),
            "not allowed",
        ),
        (Instruction(TOKEN_PROGRAM_ID, bytes([6, 2, 1]) + bytes(THIEF), []), "not allowed"),
        (Instruction(TOKEN_PROGRAM_ID, bytes([255]) + bytes(20), []), "not allowed"),
        (Instruction(TOKEN_PROGRAM_ID, b"", []), "not allowed"),
        (Instruction(TOKEN_PROGRAM_ID, bytes([26, 4]), []), "not allowed"),
    ],
)
def test_whatever_else_is_refused(instruction, why):
    with pytest.raises(ForbiddenInstruction, match=why):
        look(move(), instruction)


def test_an_unwrapped_account_passes_its_rent_to_the_fee_payer_once_and_no_more_than_rent():
    unwrapping = lower(CloseAccount(SOURCE, TOKEN_PROGRAM_ID, 5, PAYER, unwraps=True), WALLET)
    too_much = lower(CloseAccount(SOURCE, TOKEN_PROGRAM_ID, MOST_RENT + 1, PAYER, unwraps=True), WALLET)
    look(*unwrapping, *unwrapping)
    for refused in ((*unwrapping, send(WALLET, PAYER)), too_much, unwrapping[::-1], (*too_much, *unwrapping)):
        with pytest.raises(ForbiddenInstruction, match="not to the receiver"):
            look(*refused)
    with pytest.raises(ForbiddenInstruction, match="not to the fee payer"):
        look(unwrapping[0])


NESTED = associated_token_address(SOURCE, MINT, TOKEN_PROGRAM_ID)


def recovered(**changed: Any) -> tuple[Instruction, ...]:
    action = RecoverNested(
        account=NESTED,
        mint=MINT,
        program=TOKEN_PROGRAM_ID,
        amount=5,
        outer=SOURCE,
        outer_mint=MINT,
        destination=SOURCE,
        lamports=5,
        rent_to=PAYER,
    )
    return lower(replace(action, **changed), WALLET)


def test_accounts_that_nested_tokens_come_home_through_may_be_opened_and_stay_open():
    through = create_ata_idempotent(PAYER, WALLET, MINT, TOKEN_PROGRAM_ID)
    nested = create_ata_idempotent(PAYER, SOURCE, MINT, TOKEN_PROGRAM_ID)
    look(through, nested, *recovered())
    look(*recovered(funds=7, funds_to=RECEIVER))
    for refused in ((through,), (nested,), (*recovered(), through)):
        with pytest.raises(ForbiddenInstruction, match="leaves it open"):
            look(*refused)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"destination": MAIN}, "no ATA of an ATA"),
        ({"destination": associated_token_address(THIEF, MINT, TOKEN_PROGRAM_ID)}, "no ATA of an ATA"),
        ({"account": SOURCE}, "no ATA of an ATA"),
        ({"outer": MAIN}, "no ATA of an ATA"),
        ({"program": TOKEN_2022_PROGRAM_ID}, "no ATA of an ATA"),
        ({"program": THIEF}, "recovers tokens of"),
        ({"rent_to": THIEF}, "not to the receiver"),
        ({"lamports": MOST_RENT + 1}, "not to the receiver"),
        ({"funds": 7, "funds_to": THIEF}, "not to the receiver"),
    ],
)
def test_nested_tokens_go_to_the_wallets_own_account_and_their_rent_to_the_fee_payer(changed, why):
    with pytest.raises(ForbiddenInstruction, match=why):
        look(*recovered(**changed))


def test_the_rent_of_a_nested_account_does_not_stay_in_the_wallet():
    with pytest.raises(ForbiddenInstruction, match="not to the fee payer"):
        look(recovered()[0])


def test_another_fee_payer_is_refused():
    with pytest.raises(ForbiddenInstruction, match="the fee is paid by"):
        look(move(), payer=THIEF)


def test_a_signer_without_a_part_is_refused():
    stranger = Instruction(MEMO_PROGRAM_ID, b"hello", [AccountMeta(THIEF, True, False)])
    with pytest.raises(ForbiddenInstruction, match=f"signature of {THIEF}"):
        look(move(), stranger)


def test_a_priority_fee_above_the_cap_is_refused_in_either_version():
    pair = compute_budget(100_000, 10_000)
    look(*pair, move(), cap=1_000)
    with pytest.raises(ForbiddenInstruction, match="priority fee of 1000 lamports"):
        look(*pair, move(), cap=999)
    blockhash = Ground().chain.latest_blockhash()[0]
    message = MessageV1.try_compile(
        PAYER, [move()], blockhash, TransactionConfig(priority_fee=1_000, compute_unit_limit=100_000)
    )
    assert_destinations(message, receiver=RECEIVER, fee_payer=PAYER, max_priority_fee_lamports=1_000)
    with pytest.raises(ForbiddenInstruction, match="priority fee of 1000 lamports"):
        assert_destinations(message, receiver=RECEIVER, fee_payer=PAYER, max_priority_fee_lamports=999)


def test_a_second_budget_instruction_cannot_hide_behind_the_first():
    with pytest.raises(ForbiddenInstruction, match="twice"):
        look(*compute_budget(100_000, 1), *compute_budget(100_000, 10**9), move(), cap=10)
