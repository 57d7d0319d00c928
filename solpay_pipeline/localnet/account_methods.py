"""The RPC methods that read accounts: one, many, balances, token accounts, supplies. Every answer names the
slot that it was read at.
"""

from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

from solpay_pipeline.localnet import base58
from solpay_pipeline.localnet.encoding import ReadAccount, account_json, ui_amount
from solpay_pipeline.localnet.errors import invalid_params
from solpay_pipeline.localnet.params import Call, Options, address
from solpay_pipeline.localnet.token_layout import TOKEN_PROGRAMS, read_mint, read_token_account

MAX_MULTIPLE_ACCOUNTS = 100
API_VERSION = "3.1.0"


def with_context(slot: int, value: object) -> dict[str, Any]:
    """RpcResponse: the value and the slot that it belongs to."""
    return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}


def get_account_info(call: Call) -> dict[str, Any]:
    """Answers getAccountInfo."""
    options = call.options(1)
    slot = options.bank_slot()
    account = call.chain.accounts.at(call.address(0), slot)
    return with_context(slot, _shown(account, options, "binary", _reader(call, slot)))


def get_multiple_accounts(call: Call) -> dict[str, Any]:
    """Answers getMultipleAccounts, at most 100."""
    texts = call.texts(0, "pubkeys", MAX_MULTIPLE_ACCOUNTS, "Too many inputs provided")
    options = call.options(1)
    slot = options.bank_slot()
    read = _reader(call, slot)
    return with_context(slot, [_shown(read(address(text)), options, "base64", read) for text in texts])


def get_balance(call: Call) -> dict[str, Any]:
    """Answers getBalance."""
    slot = call.options(1).bank_slot()
    account = call.chain.accounts.at(call.address(0), slot)
    return with_context(slot, 0 if account is None else account.lamports)


def get_token_account_balance(call: Call) -> dict[str, Any]:
    """Answers getTokenAccountBalance."""
    slot = call.options(1).bank_slot()
    read = _reader(call, slot)
    account = read(call.address(0))
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    token_account = read_token_account(account.owner, account.data)
    if token_account is None:
        raise invalid_params("Invalid param: not a Token account")
    mint_account = read(token_account.mint)
    mint = None if mint_account is None else read_mint(mint_account.owner, mint_account.data)
    if mint is None:
        raise invalid_params("Invalid param: could not find mint")
    return with_context(slot, ui_amount(token_account.amount, mint.decimals))


def get_token_supply(call: Call) -> dict[str, Any]:
    """Answers getTokenSupply."""
    slot = call.options(1).bank_slot()
    account = call.chain.accounts.at(call.address(0), slot)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    mint = read_mint(account.owner, account.data)
    if mint is None:
        raise invalid_params("Invalid param: not a Token mint")
    return with_context(slot, ui_amount(mint.supply, mint.decimals))


def get_token_accounts_by_owner(call: Call) -> dict[str, Any]:
    """Answers getTokenAccountsByOwner, filtered by mint or by token program."""
    owner = call.address(0)
    wanted = call.take(1, "filter")
    options = call.options(2)
    slot = options.bank_slot()
    read = _reader(call, slot)
    mint, programs = _token_filter(wanted, read)
    shown = []
    for candidate in call.chain.accounts.token_accounts_of(owner):
        account = read(candidate)
        if account is None or account.owner not in programs:
            continue
        token_account = read_token_account(account.owner, account.data)
        if token_account is None or token_account.owner != owner or mint not in (None, token_account.mint):
            continue
        shown.append({"pubkey": str(candidate), "account": _shown(account, options, "binary", read)})
    return with_context(slot, shown)


def get_program_accounts(call: Call) -> Any:
    """Answers getProgramAccounts with the filters dataSize and memcmp (base58 bytes)."""
    program = call.address(0)
    options = call.options(1)
    slot = options.bank_slot()
    read = _reader(call, slot)
    filters = options.get("filters") or []
    if not isinstance(filters, list):
        raise invalid_params("Invalid params: filters must be a list")
    shown = []
    for candidate in call.chain.accounts.owned_by_program(program):
        account = read(candidate)
        if (
            account is not None
            and account.owner == program
            and all(_passes(account, each) for each in filters)
        ):
            shown.append({"pubkey": str(candidate), "account": _shown(account, options, "binary", read)})
    return with_context(slot, shown) if options.flag("withContext") else shown


def get_minimum_balance_for_rent_exemption(call: Call) -> int:
    """Answers getMinimumBalanceForRentExemption."""
    return call.chain.minimum_balance(call.integer(0, "size"))


def _reader(call: Call, slot: int) -> ReadAccount:
    return lambda account_address: call.chain.accounts.at(account_address, slot)


def _shown(
    account: Account | None, options: Options, default_encoding: str, read: ReadAccount
) -> dict[str, Any] | None:
    if account is None:
        return None
    return account_json(account, options.text("encoding", default_encoding), options.data_slice(), read)


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


def _passes(account: Account, wanted: object) -> bool:
    if isinstance(wanted, dict) and "dataSize" in wanted:
        return bool(len(account.data) == wanted["dataSize"])
    if isinstance(wanted, dict) and isinstance(wanted.get("memcmp"), dict):
        memcmp = wanted["memcmp"]
        try:
            expected = base58.decode(memcmp["bytes"])
            offset = int(memcmp["offset"])
        except (KeyError, TypeError, ValueError) as error:
            raise invalid_params(f"Invalid params: memcmp: {error}") from error
        return account.data[offset : offset + len(expected)] == expected
    raise invalid_params("Invalid params: unknown filter")
