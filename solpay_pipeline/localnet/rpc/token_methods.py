"""The RPC methods about SPL Token and Token-2022: balances, supplies, accounts by owner or delegate, the largest."""

from collections.abc import Callable, Iterable
from typing import Any

from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.errors import invalid_params
from solpay_pipeline.localnet.chain.token_layout import (
    TOKEN_PROGRAMS,
    MintState,
    TokenAccount,
    read_mint,
    read_token_account,
)
from solpay_pipeline.localnet.rpc.account_shape import AccountShape, with_context
from solpay_pipeline.localnet.rpc.encoding import ReadAccount, ui_amount
from solpay_pipeline.localnet.rpc.params import Call, address

_LARGEST = 20


def get_token_account_balance(call: Call) -> dict[str, Any]:
    """Answers getTokenAccountBalance."""
    wanted = call.address(0)
    slot, read = _bank(call, 1)
    account = read(wanted)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    token_account = read_token_account(account.owner, account.data)
    if token_account is None:
        raise invalid_params("Invalid param: not a Token account")
    mint = _mint(token_account.mint, read, "could not find mint")
    return with_context(slot, ui_amount(token_account.amount, mint.decimals))


def get_token_supply(call: Call) -> dict[str, Any]:
    """Answers getTokenSupply."""
    wanted = call.address(0)
    slot, read = _bank(call, 1)
    mint = _mint(wanted, read, "could not find account")
    return with_context(slot, ui_amount(mint.supply, mint.decimals))


def get_token_largest_accounts(call: Call) -> dict[str, Any]:
    """Answers getTokenLargestAccounts: the 20 largest of a mint."""
    wanted = call.address(0)
    slot, read = _bank(call, 1)
    mint = _mint(wanted, read, "could not find account")
    holders = [
        (state.amount, str(candidate))
        for program in TOKEN_PROGRAMS
        for candidate in call.chain.accounts.owned_by_program(program)
        if (state := _token_account(candidate, read)) is not None and state.mint == wanted
    ]
    holders.sort(reverse=True)
    largest = [{"address": text, **ui_amount(amount, mint.decimals)} for amount, text in holders[:_LARGEST]]
    return with_context(slot, largest)


def get_token_accounts_by_owner(call: Call) -> dict[str, Any]:
    """Answers getTokenAccountsByOwner, filtered by mint or by token program."""
    owner = call.address(0)
    return _filtered(call, call.chain.accounts.token_accounts_of(owner), lambda state: state.owner == owner)


def get_token_accounts_by_delegate(call: Call) -> dict[str, Any]:
    """Answers getTokenAccountsByDelegate, filtered by mint or by token program."""
    delegate = call.address(0)
    accounts = call.chain.accounts
    candidates = [each for program in TOKEN_PROGRAMS for each in accounts.owned_by_program(program)]
    return _filtered(call, candidates, lambda state: state.delegate == delegate)


def _filtered(
    call: Call, candidates: Iterable[Pubkey], belongs: Callable[[TokenAccount], bool]
) -> dict[str, Any]:
    wanted = call.take(1, "filter")
    shape = AccountShape.asked(call, call.options(2), "binary")
    mint, programs = _token_filter(wanted, shape.read)
    shown = []
    for candidate in candidates:
        account = shape.read(candidate)
        if account is None or account.owner not in programs:
            continue
        state = read_token_account(account.owner, account.data)
        if state is not None and belongs(state) and mint in (None, state.mint):
            shown.append({"pubkey": str(candidate), "account": shape.of(account)})
    return with_context(shape.slot, shown)


def _bank(call: Call, options_index: int) -> tuple[int, ReadAccount]:
    slot = call.options(options_index).bank_slot()
    return slot, lambda wanted: call.chain.accounts.at(wanted, slot)


def _mint(wanted: Pubkey, read: ReadAccount, absent: str) -> MintState:
    account = read(wanted)
    if account is None:
        raise invalid_params(f"Invalid param: {absent}")
    mint = read_mint(account.owner, account.data)
    if mint is None:
        raise invalid_params("Invalid param: not a Token mint")
    return mint


def _token_account(candidate: Pubkey, read: ReadAccount) -> TokenAccount | None:
    account = read(candidate)
    return None if account is None else read_token_account(account.owner, account.data)


def _token_filter(wanted: object, read: ReadAccount) -> tuple[Pubkey | None, frozenset[Pubkey]]:
    if isinstance(wanted, dict) and "mint" in wanted:
        mint = address(wanted["mint"])
        account = read(mint)
        if account is None:
            raise invalid_params("Invalid param: could not find mint")
        if account.owner not in TOKEN_PROGRAMS:
            raise invalid_params("Invalid param: not a Token mint")
        return mint, frozenset({account.owner})
    if isinstance(wanted, dict) and "programId" in wanted:
        program = address(wanted["programId"])
        if program not in TOKEN_PROGRAMS:
            raise invalid_params("Invalid param: unrecognized Token program id")
        return None, frozenset({program})
    raise invalid_params("Invalid params: expected a filter by mint or programId")
