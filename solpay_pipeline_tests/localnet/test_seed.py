"""The seed makes the mints and accounts that make trouble on mainnet."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.config import SLOTS_PER_EPOCH
from solpay_pipeline.localnet.chain.engine import Chain
from solpay_pipeline.localnet.chain.token_layout import NATIVE_MINT, read_mint, read_token_account
from solpay_pipeline.localnet.tools.seed import TOKEN, TOKEN_2022, Seed
from solpay_pipeline_tests.localnet.ground import SOL


def move_all(seed: Seed, wallet: Keypair, mint: Pubkey, amount: int) -> str:
    """The wallet's own TransferChecked back to the customer."""
    program = TOKEN_2022
    keys = [
        AccountMeta(seed.ata(wallet.pubkey(), mint), False, True),
        AccountMeta(mint, False, False),
        AccountMeta(seed.create_ata(seed.customer.pubkey(), mint), False, True),
        AccountMeta(wallet.pubkey(), True, False),
    ]
    return seed.send([Instruction(program, b"\x0c" + amount.to_bytes(8, "little") + b"\x06", keys)], [wallet])


@pytest.mark.parametrize("program", [TOKEN, TOKEN_2022])
def test_a_token_payment_arrives_in_the_ata(seed: Seed, wallet: Keypair, program: Pubkey) -> None:
    mint = seed.create_mint(decimals=9, program=program)
    seed.pay_token(wallet.pubkey(), mint, 123)
    seed.pay_token(wallet.pubkey(), mint, 4)
    assert seed.token_balance(seed.ata(wallet.pubkey(), mint)) == 127


def test_a_transfer_fee_is_withheld_up_to_its_maximum(seed: Seed, wallet: Keypair) -> None:
    mint = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=100, max_fee=1_000)
    seed.pay_token(wallet.pubkey(), mint, 10_000)
    seed.pay_token(wallet.pubkey(), mint, 1_000_000)
    assert seed.token_balance(seed.ata(wallet.pubkey(), mint)) == 9_900 + 999_000


def test_wrapped_sol_is_a_mint_like_any_other(chain: Chain, seed: Seed, wallet: Keypair) -> None:
    account = seed.mint_to(wallet.pubkey(), NATIVE_MINT, SOL)
    found = chain.accounts.newest(account)
    assert found is not None
    state = read_token_account(found.owner, found.data)
    assert state is not None
    assert (state.amount, state.native_reserve) == (SOL, chain.minimum_balance(165))
    seed.close_ata(wallet, NATIVE_MINT, rent_to=wallet.pubkey())
    assert seed.lamports(wallet.pubkey()) == SOL + chain.minimum_balance(165)


def test_a_frozen_account_moves_again_when_thawed(seed: Seed, wallet: Keypair) -> None:
    mint = seed.create_mint(program=TOKEN_2022)
    seed.pay_token(wallet.pubkey(), mint, 5)
    account = seed.ata(wallet.pubkey(), mint)
    seed.freeze(account, mint)
    with pytest.raises(RuntimeError, match="'Custom': 17"):
        move_all(seed, wallet, mint, 5)
    seed.thaw(account, mint)
    move_all(seed, wallet, mint, 5)


@pytest.mark.parametrize(
    ("extension", "code"), [("non_transferable", 37), ("default_frozen", 17), ("pausable", 67)]
)
def test_money_that_cannot_move_says_why(seed: Seed, wallet: Keypair, extension: str, code: int) -> None:
    mint = seed.create_mint(program=TOKEN_2022, extensions=[extension])
    account = seed.create_ata(wallet.pubkey(), mint)
    source = seed.create_ata(seed.customer.pubkey(), mint)
    if extension == "default_frozen":
        seed.thaw(account, mint)
    seed.mint_to(account, mint, 5)
    if extension == "default_frozen":
        seed.freeze(account, mint)
    if extension == "pausable":
        seed.pause(mint)
    with pytest.raises(RuntimeError, match=f"'Custom': {code}"):
        move_all(seed, wallet, mint, 5)
    assert seed.token_balance(source) == 0


def test_every_extension_is_on_the_mint_that_asked_for_it(chain: Chain, seed: Seed) -> None:
    names = ("mint_close_authority", "interest_bearing", "permanent_delegate", "transfer_hook", "pausable")
    mint = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=1, extensions=names)
    found = chain.accounts.newest(mint)
    assert found is not None
    state = read_mint(found.owner, found.data)
    assert state is not None
    assert [kind for kind, _ in state.extensions] == [1, 3, 10, 12, 14, 26]


def test_what_cannot_be_made_is_refused_by_name(seed: Seed) -> None:
    with pytest.raises(ValueError, match="unknown extensions"):
        seed.create_mint(program=TOKEN_2022, extensions=["levitating"])
    with pytest.raises(ValueError, match="Token-2022"):
        seed.create_mint(extensions=["pausable"])


def test_two_chains_of_one_seed_are_alike(chain: Chain, seed: Seed) -> None:
    other = Chain(chain.config)
    assert other.genesis_hash == chain.genesis_hash
    assert Seed(other).create_mint() == seed.create_mint()


def test_a_changed_transfer_fee_holds_from_the_second_epoch_on(
    chain: Chain, seed: Seed, wallet: Keypair
) -> None:
    mint = seed.create_mint(program=TOKEN_2022, transfer_fee_basis_points=100)
    seed.set_transfer_fee(mint, 200)
    seed.pay_token(wallet.pubkey(), mint, 10_000)
    chain.advance(2 * SLOTS_PER_EPOCH)
    seed.pay_token(wallet.pubkey(), mint, 10_000)
    assert seed.token_balance(seed.ata(wallet.pubkey(), mint)) == 9_900 + 9_800


def test_a_memo_is_required_where_it_was_asked_for(seed: Seed, wallet: Keypair) -> None:
    mint = seed.create_mint(program=TOKEN_2022)
    seed.require_memo(wallet, mint)
    with pytest.raises(RuntimeError, match="'Custom': 36"):
        seed.pay_token(wallet.pubkey(), mint, 5)


def test_a_foreign_close_authority_shuts_the_owner_out(seed: Seed, wallet: Keypair) -> None:
    mint = seed.create_mint()
    seed.set_close_authority(wallet, mint, seed.customer.pubkey())
    with pytest.raises(RuntimeError, match="'Custom': 4"):
        seed.close_ata(wallet, mint)


def test_a_token_account_need_not_be_the_ata(seed: Seed, wallet: Keypair) -> None:
    mint = seed.create_mint()
    account = seed.create_token_account(wallet.pubkey(), mint)
    assert account != seed.ata(wallet.pubkey(), mint)
    assert seed.mint_to(account, mint, 5) == account
    assert seed.token_balance(account) == 5
