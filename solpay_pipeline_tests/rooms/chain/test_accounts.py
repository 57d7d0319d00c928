"""What wallets hold is read from the chain in few calls, and nothing that stands in the way is overlooked."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.accounts import (
    discover,
    read_holdings,
    read_holdings_and_mints,
    read_mints,
    usable_mints,
)
from solpay_pipeline.chain.reading.addresses import (
    SYSTEM_PROGRAM_ID,
    TOKEN_2022_PROGRAM_ID,
    TOKEN_PROGRAM_ID,
    WRAPPED_SOL_MINT,
    associated_token_address,
    can_sign,
)
from solpay_pipeline.chain.reading.destinations import read_destinations
from solpay_pipeline.chain.rpc.client import Endpoint, Rpc, RpcOptions
from solpay_pipeline.chain.rpc.errors import ChainError
from solpay_pipeline.lifecycle.holdings import Holdings, Mint, Obstacle, UnreadableMint
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.localnet.server.faults import Fault
from solpay_pipeline.localnet.server.server import Node, running
from solpay_pipeline_tests.rooms.chain import ground as at
from solpay_pipeline_tests.rooms.chain.ground import Ground

pytestmark = pytest.mark.anyio

PROCESSED = Commitment.PROCESSED


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
def node(ground: Ground) -> Iterator[Node]:
    with running(ground.chain) as node:
        yield node


def rpc_to(node: Node, **options) -> Rpc:
    return Rpc([Endpoint(SecretStr(node.url))], RpcOptions(**options))


async def holdings_of(
    node: Node, wallets: list[tuple[Pubkey, list[Pubkey]]], commitment: Commitment = PROCESSED
) -> list[Holdings]:
    async with rpc_to(node) as rpc:
        mints = await read_mints(
            rpc, [mint for _, wanted in wallets for mint in wanted], commitment=commitment
        )
        return await read_holdings(rpc, wallets, mints, commitment=commitment)


def wallet(ground: Ground) -> Pubkey:
    return ground.keypair().pubkey()


async def test_lamports_and_every_token_of_a_wallet_are_read(ground, node):
    owner, classic = wallet(ground), ground.mint()
    modern = ground.mint(TOKEN_2022_PROGRAM_ID)
    ground.pay(owner, 900_000)
    ata = ground.issue(owner, classic, 5_000_000)
    (holdings,) = await holdings_of(node, [(owner, [classic.address, modern.address])])
    assert holdings.lamports == 900_000
    assert holdings.balances() == {None: 900_000, classic.address: 5_000_000}
    (token,) = holdings.tokens
    assert (token.account, token.mint, token.cannot_close) == (ata, classic, None)
    assert token.lamports == ground.lamports(ata)
    assert holdings.absent == (associated_token_address(owner, modern.address, TOKEN_2022_PROGRAM_ID),)
    assert not holdings.unreadable
    assert holdings.cannot_move_lamports is None


async def test_a_wallet_that_was_never_used_is_empty(ground, node):
    mint = ground.mint()
    (holdings,) = await holdings_of(node, [(wallet(ground), [mint.address])])
    assert holdings.is_empty
    assert len(holdings.absent) == 1


async def test_two_hundred_wallets_cost_as_many_calls_as_their_accounts_need(ground, node):
    mints = [ground.mint(), ground.mint(TOKEN_2022_PROGRAM_ID)]
    wallets = [(wallet(ground), [mint.address for mint in mints]) for _ in range(200)]
    ground.pay(wallets[150][0], 1_000_000)
    node.calls.clear()
    holdings = await holdings_of(node, wallets)
    assert [each.owner for each in holdings] == [owner for owner, _ in wallets]
    assert [each.lamports for each in holdings].index(1_000_000) == 150
    assert node.calls == {"getMultipleAccounts": 1 + 6}


async def test_mints_that_are_known_are_read_along_with_the_accounts(ground, node):
    mints = [ground.mint(), ground.mint(TOKEN_2022_PROGRAM_ID)]
    wallets = [(wallet(ground), [mint.address for mint in mints]) for _ in range(30)]
    ground.issue(wallets[7][0], mints[1], 5)
    node.calls.clear()
    async with rpc_to(node) as rpc:
        holdings, read = await read_holdings_and_mints(
            rpc, wallets, {mint.address: mint for mint in mints}, commitment=PROCESSED
        )
    assert node.calls == {"getMultipleAccounts": 1}
    assert read == {mint.address: mint for mint in mints}
    assert [each.balances() for each in holdings] == [
        {mints[1].address: 5} if number == 7 else {} for number in range(30)
    ]


async def test_a_mint_that_nobody_knew_is_read_before_the_accounts(ground, node):
    known, new, owner = ground.mint(), ground.mint(TOKEN_2022_PROGRAM_ID), wallet(ground)
    ground.issue(owner, new, 3)
    async with rpc_to(node) as rpc:
        (holdings,), read = await read_holdings_and_mints(
            rpc, [(owner, [known.address, new.address])], {known.address: known}, commitment=PROCESSED
        )
    assert holdings.balances() == {new.address: 3}
    assert read == {known.address: known, new.address: new}


async def test_a_mint_under_another_program_than_before_has_its_accounts_found_all_the_same(ground, node):
    mint, owner = ground.mint(TOKEN_2022_PROGRAM_ID), wallet(ground)
    ground.issue(owner, mint, 3)
    before = replace(mint, program=TOKEN_PROGRAM_ID)
    async with rpc_to(node) as rpc:
        (holdings,), read = await read_holdings_and_mints(
            rpc, [(owner, [mint.address])], {mint.address: before}, commitment=PROCESSED
        )
    assert holdings.balances() == {mint.address: 3}
    assert read == {mint.address: mint}


async def test_a_mint_that_is_no_longer_one_is_told_of_though_it_was_known(ground, node):
    mint, owner = ground.mint(), wallet(ground)
    ground.chain.put_account(mint.address, None)
    async with rpc_to(node) as rpc:
        (holdings,), read = await read_holdings_and_mints(
            rpc, [(owner, [mint.address])], {mint.address: mint}, commitment=PROCESSED
        )
    assert not holdings.unreadable
    assert read == {mint.address: UnreadableMint("there is no account at this address")}


async def test_of_accounts_that_may_be_mints_those_are_kept_that_are(ground, node):
    mint, no_mint = ground.mint(), wallet(ground)
    ground.pay(no_mint, 1_000_000)
    keys = [mint.address, no_mint, wallet(ground)]
    async with rpc_to(node) as rpc:
        found = (await rpc.accounts(keys, commitment=PROCESSED)).accounts
    assert usable_mints(zip(keys, found, strict=True)) == {mint.address: mint}


async def test_no_wallets_cost_no_call(node):
    assert await holdings_of(node, []) == []
    assert not node.calls


async def test_a_failing_node_is_an_error_and_not_an_empty_wallet(ground, node):
    node.faults.add(Fault("rate_limit"))
    async with rpc_to(node, retry_window_seconds=0) as rpc:
        with pytest.raises(ChainError):
            await read_holdings(rpc, [(wallet(ground), [])], {}, commitment=PROCESSED)


async def test_what_is_not_confirmed_yet_is_not_seen_at_confirmed(ground, node):
    owner = wallet(ground)
    ground.pay(owner, 1_000_000)
    (early,) = await holdings_of(node, [(owner, [])], Commitment.CONFIRMED)
    ground.chain.advance(3)
    (late,) = await holdings_of(node, [(owner, [])], Commitment.CONFIRMED)
    assert (early.lamports, late.lamports) == (0, 1_000_000)
    assert late.slot > early.slot


async def test_of_a_mint_that_is_none_accounts_are_looked_for_under_both_programs(ground, node):
    owner, stranger, unused = wallet(ground), wallet(ground), wallet(ground)
    ground.pay(stranger, 1_000_000)
    (holdings,) = await holdings_of(node, [(owner, [stranger, unused])])
    assert holdings.is_empty
    assert set(holdings.absent) == {
        associated_token_address(owner, mint, program)
        for mint in (stranger, unused)
        for program in (TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID)
    }


@pytest.mark.parametrize("program", [TOKEN_PROGRAM_ID, TOKEN_2022_PROGRAM_ID])
async def test_units_of_a_mint_that_is_gone_are_named_and_an_empty_account_of_it_can_be_closed(
    ground, node, program
):
    mint, empty, full = ground.mint(program), wallet(ground), wallet(ground)
    ground.ata(empty, mint)
    account = ground.issue(full, mint, 5)
    ground.chain.put_account(mint.address, None)
    first, second = await holdings_of(node, [(empty, [mint.address]), (full, [mint.address])])
    assert (first.is_empty, [one.cannot_close for one in first.tokens]) == (True, [None])
    assert second.unreadable == {
        mint.address: f"there is no account at this address, and 5 base units lie at {account}"
    }
    assert not second.is_empty


async def test_a_frozen_account_is_an_obstacle_and_still_closes_when_empty(ground, node):
    owner, mint = wallet(ground), ground.mint()
    ground.freeze(ground.issue(owner, mint, 5), mint)
    (holdings,) = await holdings_of(node, [(owner, [mint.address])])
    (token,) = holdings.tokens
    assert token.obstacles == {Obstacle.FROZEN}
    assert token.cannot_close is None


async def test_an_account_that_was_given_away_is_foreign_and_not_ours_to_close(ground, node):
    key, mint = ground.keypair(), ground.mint()
    thief = wallet(ground)
    ata = ground.issue(key.pubkey(), mint, 5)
    ground.set_authority(ata, key, 2, thief, TOKEN_PROGRAM_ID)
    (holdings,) = await holdings_of(node, [(key.pubkey(), [mint.address])])
    (token,) = holdings.tokens
    assert token.obstacles == {Obstacle.FOREIGN_OWNER}
    assert token.cannot_close == f"it belongs to {thief}"


async def test_a_foreign_close_authority_is_named(ground, node):
    key, mint, other = ground.keypair(), ground.mint(), wallet(ground)
    ata = ground.issue(key.pubkey(), mint, 5)
    ground.set_authority(ata, key, 3, other, TOKEN_PROGRAM_ID)
    (holdings,) = await holdings_of(node, [(key.pubkey(), [mint.address])])
    (token,) = holdings.tokens
    assert not token.obstacles
    assert token.cannot_close == f"only its close authority {other} may close it"


async def test_withheld_fees_and_obstacles_of_the_mint_are_in_the_holding(ground, node):
    customer, owner = ground.keypair(), wallet(ground)
    fee = ground.mint(TOKEN_2022_PROGRAM_ID, at.TRANSFER_FEE)
    paused = ground.mint(TOKEN_2022_PROGRAM_ID, at.PAUSABLE)
    ground.issue(customer.pubkey(), fee, 1_000)
    ground.send_tokens(customer, owner, fee, 1_000)
    ground.issue(owner, paused, 7)
    ground.pause(paused)
    (holdings,) = await holdings_of(node, [(owner, [fee.address, paused.address])])
    first, second = holdings.tokens
    assert (first.amount, first.withheld, first.mint.has_transfer_fee) == (990, 10, True)
    assert second.obstacles == second.mint.obstacles == {Obstacle.PAUSED}


async def test_wrapped_sol_counts_what_was_sent_to_it_plainly(ground, node):
    owner = wallet(ground)
    ground.wrapped_sol(owner, 70_000_000)
    ata = associated_token_address(owner, WRAPPED_SOL_MINT, TOKEN_PROGRAM_ID)
    ground.pay(ata, 5_000_000)
    (holdings,) = await holdings_of(node, [(owner, [WRAPPED_SOL_MINT])])
    (token,) = holdings.tokens
    assert token.is_native
    assert token.amount == 75_000_000
    assert token.lamports - token.amount == ground.chain.minimum_balance(165)


async def test_lamports_of_an_account_that_another_program_owns_cannot_move(ground, node):
    owner, nonce = wallet(ground), wallet(ground)
    program = wallet(ground)
    ground.chain.put_account(owner, Account(5_000_000, b"", program, False, 0))
    ground.chain.put_account(nonce, Account(5_000_000, bytes(80), SYSTEM_PROGRAM_ID, False, 0))
    owned, carrying = await holdings_of(node, [(owner, []), (nonce, [])])
    assert owned.cannot_move_lamports == f"the account belongs to the program {program}"
    assert carrying.cannot_move_lamports == "the account carries data"
    assert owned.lamports == carrying.lamports == 5_000_000


async def test_lamports_at_the_address_of_a_missing_account_make_no_account(ground, node):
    owner, mint = wallet(ground), ground.mint()
    ata = associated_token_address(owner, mint.address, mint.program)
    ground.pay(ata, 1_000_000)
    (holdings,) = await holdings_of(node, [(owner, [mint.address])])
    assert holdings.absent == (ata,)
    assert not holdings.unreadable


def encrypted_account(mint: Mint, owner: Pubkey, *, balance: int = 0, fee: int = 0) -> Account:
    """A Token-2022 account with confidential extensions, which take zero-knowledge proofs to make for real."""
    base = bytearray(165)
    base[0:32], base[32:64], base[108] = bytes(mint.address), bytes(owner), 1
    confidential, withheld = bytearray(295), bytearray(64)
    confidential[200], confidential[262], withheld[3] = balance, 1, fee
    entries = b"\x05\x00\x27\x01" + bytes(confidential) + b"\x11\x00\x40\x00" + bytes(withheld)
    return Account(3_000_000, bytes(base) + b"\x02" + entries, TOKEN_2022_PROGRAM_ID, False, 0)


async def test_a_confidential_balance_or_fee_keeps_an_account_open(ground, node):
    owners, mint = [wallet(ground) for _ in range(3)], ground.mint(TOKEN_2022_PROGRAM_ID)
    for owner, balance, fee in zip(owners, (0, 1, 0), (0, 0, 1), strict=True):
        ata = associated_token_address(owner, mint.address, mint.program)
        ground.chain.put_account(ata, encrypted_account(mint, owner, balance=balance, fee=fee))
    held = await holdings_of(node, [(owner, [mint.address]) for owner in owners])
    plain, balance, fee = (holdings.tokens[0] for holdings in held)
    assert (plain.obstacles, plain.cannot_close) == (frozenset(), None)
    assert balance.obstacles == {Obstacle.CONFIDENTIAL}
    assert balance.cannot_close == "it holds a confidential balance"
    assert (fee.obstacles, fee.cannot_close) == (frozenset(), "it holds confidential transfer fees")


# ---- accounts that nobody named


async def discovered(node: Node, owner: Pubkey, named: list[Pubkey]) -> Holdings:
    async with rpc_to(node) as rpc:
        mints = await read_mints(rpc, named, commitment=PROCESSED)
        (holdings,) = await read_holdings(rpc, [(owner, named)], mints, commitment=PROCESSED)
        return await discover(rpc, holdings, mints, commitment=PROCESSED)


async def test_accounts_of_unexpected_mints_are_discovered(ground, node):
    owner, named = wallet(ground), ground.mint()
    others = [ground.mint(), ground.mint(TOKEN_2022_PROGRAM_ID)]
    ground.issue(owner, named, 1)
    for amount, mint in enumerate(others, start=2):
        ground.issue(owner, mint, amount)
    holdings = await discovered(node, owner, [named.address])
    assert holdings.balances() == {named.address: 1, others[0].address: 2, others[1].address: 3}
    assert len({token.account for token in holdings.tokens}) == 3


async def test_an_account_beside_the_ata_is_discovered(ground, node):
    key, mint = ground.keypair(), ground.mint()
    previous = ground.keypair()
    stray = ground.issue(previous.pubkey(), mint, 8)
    ground.set_authority(stray, previous, 2, key.pubkey(), TOKEN_PROGRAM_ID)
    holdings = await discovered(node, key.pubkey(), [mint.address])
    assert [token.account for token in holdings.tokens] == [stray]
    assert len(holdings.absent) == 1


async def test_discovery_costs_two_calls_and_the_new_mints(ground, node):
    owner, mint = wallet(ground), ground.mint()
    ground.issue(owner, mint, 1)
    async with rpc_to(node) as rpc:
        (holdings,) = await read_holdings(rpc, [(owner, [])], {}, commitment=PROCESSED)
        node.calls.clear()
        await discover(rpc, holdings, {}, commitment=PROCESSED)
        assert node.calls == {"getTokenAccountsByOwner": 2, "getMultipleAccounts": 1}
        node.calls.clear()
        await discover(rpc, holdings, {mint.address: mint}, commitment=PROCESSED)
        assert node.calls == {"getTokenAccountsByOwner": 2}


# ---- where the money goes


async def destination(ground: Ground, node: Node, mint: Mint):
    async with rpc_to(node) as rpc:
        found = await read_destinations(rpc, ground.receiver, [mint], commitment=PROCESSED)
        return found[mint.address]


@pytest.mark.parametrize(
    ("program", "extensions", "size"),
    [
        (TOKEN_PROGRAM_ID, (), 165),
        (TOKEN_2022_PROGRAM_ID, (), 170),
        (TOKEN_2022_PROGRAM_ID, (at.TRANSFER_FEE,), 182),
    ],
)
async def test_a_missing_destination_tells_what_its_rent_will_be_for(ground, node, program, extensions, size):
    mint = ground.mint(program, *extensions)
    missing = await destination(ground, node, mint)
    assert (missing.exists, missing.size, missing.obstacle) == (False, size, None)
    ground.ata(ground.receiver, mint)
    present = await destination(ground, node, mint)
    assert (present.exists, present.size, present.obstacle) == (True, size, None)
    assert present.ata == missing.ata


async def test_a_destination_that_demands_a_memo_says_so(ground, node):
    receiver, mint = ground.keypair(), ground.mint(TOKEN_2022_PROGRAM_ID)
    ground.receiver = receiver.pubkey()
    ground.require_memo(ground.ata(receiver.pubkey(), mint), receiver)
    found = await destination(ground, node, mint)
    assert found.memo_required
    assert found.obstacle is None


async def test_a_destination_that_cannot_take_money_says_why(ground, node):
    receiver, thief = ground.keypair(), wallet(ground)
    ground.receiver = receiver.pubkey()
    frozen, given, default_frozen = (
        ground.mint(),
        ground.mint(),
        ground.mint(TOKEN_2022_PROGRAM_ID, at.DEFAULT_STATE),
    )
    ground.freeze(ground.ata(receiver.pubkey(), frozen), frozen)
    ground.set_authority(ground.ata(receiver.pubkey(), given), receiver, 2, thief, TOKEN_PROGRAM_ID)
    assert (await destination(ground, node, frozen)).obstacle == "it is frozen"
    assert (await destination(ground, node, given)).obstacle == f"it belongs to {thief}, not to the receiver"
    reason = (await destination(ground, node, default_frozen)).obstacle
    assert reason == "it does not exist, and new accounts of this mint are frozen"


def test_an_ata_cannot_sign_and_a_keypair_can():
    owner = Keypair.from_seed(bytes([3]) * 32).pubkey()
    assert can_sign(owner)
    assert not can_sign(associated_token_address(owner, WRAPPED_SOL_MINT, TOKEN_PROGRAM_ID))
