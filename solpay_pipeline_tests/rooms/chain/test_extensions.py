"""What Token-2022 writes is read right, and what a stranger writes never breaks the reader."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.chain.reading.addresses import TOKEN_2022_PROGRAM_ID, TOKEN_PROGRAM_ID, TOKEN_PROGRAMS
from solpay_pipeline.chain.reading.extensions import (
    Extension,
    MintExtensions,
    UnreadableAccount,
    associated_account_length,
    read_account_extensions,
)
from solpay_pipeline.chain.reading.token_state import parse_account, parse_extended_mint, parse_mint
from solpay_pipeline.lifecycle.holdings import Obstacle
from solpay_pipeline_tests.rooms.chain import ground as at
from solpay_pipeline_tests.rooms.chain.ground import Ground

ADDRESS = Pubkey.from_bytes(bytes([9]) * 32)


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground()


def entry(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


def mint_bytes(*entries: bytes) -> bytes:
    base = bytearray(165)
    base[44], base[45] = 6, 1
    return bytes(base) + b"\x01" + b"".join(entries)


def account_bytes(*entries: bytes) -> bytes:
    base = bytearray(165)
    base[108] = 1
    return bytes(base) + b"\x02" + b"".join(entries)


def extended(ground: Ground, *extensions: int, hook: Pubkey | None = None):
    mint = ground.mint(TOKEN_2022_PROGRAM_ID, *extensions, hook=hook)
    return parse_extended_mint(mint.address, ground.account(mint.address))


def test_a_plain_mint_of_either_program_has_no_extensions(ground):
    for program in TOKEN_PROGRAMS:
        mint = ground.mint(program)
        assert (mint.program, mint.decimals, mint.extensions) == (program, 6, ())
        assert not mint.obstacles


def test_a_transfer_fee_is_known_by_its_mint(ground):
    mint, extensions = extended(ground, at.TRANSFER_FEE)
    assert mint.has_transfer_fee
    assert extensions.has_transfer_fee
    assert mint.extensions == ("transfer_fee_config",)
    assert not ground.mint(TOKEN_2022_PROGRAM_ID).has_transfer_fee


def test_a_hook_stands_in_the_way_only_where_it_names_a_program(ground):
    program = Keypair.from_seed(bytes([5]) * 32).pubkey()
    named, extensions = extended(ground, at.TRANSFER_HOOK, hook=program)
    assert named.obstacles == {Obstacle.TRANSFER_HOOK}
    assert extensions.hook_program == program
    null, extensions = extended(ground, at.TRANSFER_HOOK)
    assert null.obstacles == frozenset()
    assert extensions.hook_program is None


def test_a_paused_mint_stands_in_the_way_until_it_goes_on(ground):
    mint, _ = extended(ground, at.PAUSABLE)
    assert mint.obstacles == frozenset()
    assert ground.pause(mint).obstacles == {Obstacle.PAUSED}


def test_what_cannot_be_transferred_is_known_by_its_mint(ground):
    mint, _ = extended(ground, at.NON_TRANSFERABLE)
    assert mint.obstacles == {Obstacle.NON_TRANSFERABLE}


def test_extensions_that_change_nothing_for_us_are_listed(ground):
    mint, extensions = extended(ground, at.PERMANENT_DELEGATE, at.MINT_CLOSE_AUTHORITY)
    assert mint.extensions == ("permanent_delegate", "mint_close_authority")
    assert extensions.permanent_delegate == ground.fee_payer.pubkey()
    assert not mint.obstacles


@pytest.mark.parametrize(
    ("program", "extensions"),
    [
        (TOKEN_PROGRAM_ID, ()),
        (TOKEN_2022_PROGRAM_ID, ()),
        (TOKEN_2022_PROGRAM_ID, (at.TRANSFER_FEE,)),
        (TOKEN_2022_PROGRAM_ID, (at.TRANSFER_HOOK,)),
        (TOKEN_2022_PROGRAM_ID, (at.PAUSABLE, at.TRANSFER_FEE, at.PERMANENT_DELEGATE)),
        (TOKEN_2022_PROGRAM_ID, (at.NON_TRANSFERABLE,)),
        (TOKEN_2022_PROGRAM_ID, (at.DEFAULT_STATE,)),
    ],
)
def test_the_length_of_an_account_is_known_before_it_is_made(ground, program, extensions):
    mint = ground.mint(program, *extensions)
    _, read = parse_extended_mint(mint.address, ground.account(mint.address))
    ata = ground.ata(ground.keypair().pubkey(), mint)
    expected = associated_account_length(read, token_2022=program == TOKEN_2022_PROGRAM_ID)
    assert len(ground.account(ata).data) == expected


def test_lengths_are_those_of_the_field():
    assert associated_account_length(MintExtensions(), token_2022=False) == 165
    assert associated_account_length(MintExtensions(), token_2022=True) == 170
    fee = MintExtensions(names=("transfer_fee_config",))
    assert associated_account_length(fee, token_2022=True) == 182


def test_an_account_tells_its_memo_demand_and_its_guard(ground):
    owner, mint = ground.keypair(), ground.mint(TOKEN_2022_PROGRAM_ID)
    ata = ground.ata(owner.pubkey(), mint)
    before = parse_account(ata, ground.account(ata)).extensions
    assert (before.immutable_owner, before.memo_required, before.cpi_guard) == (True, False, False)
    ground.require_memo(ata, owner)
    ground.guard_cpi(ata, owner)
    after = parse_account(ata, ground.account(ata)).extensions
    assert (after.memo_required, after.cpi_guard) == (True, True)
    assert after.names == ("immutable_owner", "memo_transfer", "cpi_guard")


def test_an_account_keeps_the_fees_that_were_withheld(ground):
    customer, shop = ground.keypair(), ground.keypair()
    mint = ground.mint(TOKEN_2022_PROGRAM_ID, at.TRANSFER_FEE)
    ground.issue(customer.pubkey(), mint, 1_000_000)
    ata = ground.ata(shop.pubkey(), mint)
    ground.send_tokens(customer, shop.pubkey(), mint, 1_000_000)
    state = parse_account(ata, ground.account(ata))
    assert (state.amount, state.extensions.withheld) == (990_000, 10_000)


def confidential(pending: bool = False, available: bool = False, plain_credits: bool = True) -> bytes:
    value = bytearray(295)
    value[40] = pending
    value[170] = available
    value[262] = plain_credits
    return entry(Extension.CONFIDENTIAL_TRANSFER_ACCOUNT, bytes(value))


def test_an_encrypted_balance_is_noticed_wherever_it_lies():
    def holds(**state) -> bool:
        return read_account_extensions(ADDRESS, account_bytes(confidential(**state))).holds_confidential

    assert not holds()
    assert holds(pending=True)
    assert holds(available=True)


def test_an_account_that_refuses_plain_credits_says_so():
    content = account_bytes(confidential(plain_credits=False))
    assert read_account_extensions(ADDRESS, content).refuses_plain_credits


def test_an_extension_of_tomorrow_is_named_by_its_number_and_stands_in_nobodys_way():
    content = mint_bytes(entry(999, b"what is this"), entry(Extension.PERMISSIONED_BURN, bytes(32)))
    mint = parse_mint(ADDRESS, Account(1, content, TOKEN_2022_PROGRAM_ID, False, 0))
    assert mint.extensions == ("unknown_extension_999", "permissioned_burn")
    assert not mint.obstacles


@pytest.mark.parametrize(
    "content",
    [
        mint_bytes(b"\x01\x00"),
        mint_bytes(b"\x01\x00\x6c"),
        mint_bytes(b"\x01\x00\x6c\x00"),
        mint_bytes(entry(1, bytes(107))),
        mint_bytes(entry(14, bytes(63))),
        mint_bytes(entry(26, b"")),
        mint_bytes(entry(9, b""), entry(9, b"")),
        account_bytes(),
        bytes(100),
        mint_bytes(bytes(355 - 166)),
        b"",
    ],
)
def test_torn_or_foreign_bytes_are_unreadable_and_nothing_worse(content):
    with pytest.raises(UnreadableAccount, match=str(ADDRESS)):
        parse_mint(ADDRESS, Account(1, content, TOKEN_2022_PROGRAM_ID, False, 0))


HOSTILE = st.one_of(
    st.binary(max_size=700),
    st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=310)), max_size=4).map(
        lambda entries: mint_bytes(*(entry(kind, value) for kind, value in entries))
    ),
    st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=310)), max_size=4).map(
        lambda entries: account_bytes(*(entry(kind, value) for kind, value in entries))
    ),
    st.builds(
        lambda content, cut: content[:cut], st.just(account_bytes(confidential())), st.integers(0, 470)
    ),
)


@given(HOSTILE, st.sampled_from(TOKEN_PROGRAMS))
def test_no_bytes_whatever_raise_anything_but_unreadable(content, program):
    account = Account(1, content, program, False, 0)
    for parse in (parse_mint, parse_account):
        with suppress(UnreadableAccount):
            assert parse(ADDRESS, account).program == program
