"""The RPC methods that read accounts: one, many, a balance, those of a program."""

from base64 import b64decode
from typing import Any

from base58 import b58decode
from solders.account import Account

from solpay_pipeline.localnet.chain.errors import invalid_params
from solpay_pipeline.localnet.chain.token_layout import TOKEN_PROGRAMS, read_token_account
from solpay_pipeline.localnet.rpc.account_shape import AccountShape, with_context
from solpay_pipeline.localnet.rpc.params import Call, address

MAX_MULTIPLE_ACCOUNTS = 100
MAX_FILTERS = 4
MAX_MEMCMP_BYTES = 128
MAX_ACCOUNT_BYTES = 10 * 1024 * 1024
"""The runtime's MAX_PERMITTED_DATA_LENGTH."""


def get_account_info(call: Call) -> dict[str, Any]:
    """Answers getAccountInfo."""
    wanted = call.address(0)
    shape = AccountShape.asked(call, call.options(1), "binary")
    return with_context(shape.slot, shape.shown(wanted))


def get_multiple_accounts(call: Call) -> dict[str, Any]:
    """Answers getMultipleAccounts, at most 100."""
    texts = call.texts(0, "pubkeys", MAX_MULTIPLE_ACCOUNTS, "Too many inputs provided")
    shape = AccountShape.asked(call, call.options(1), "base64")
    return with_context(shape.slot, shape.all_shown([address(text) for text in texts]))


def get_balance(call: Call) -> dict[str, Any]:
    """Answers getBalance."""
    wanted = call.address(0)
    slot = call.options(1).bank_slot()
    account = call.chain.accounts.at(wanted, slot)
    return with_context(slot, 0 if account is None else account.lamports)


def get_program_accounts(call: Call) -> Any:
    """Answers getProgramAccounts with the filters dataSize, memcmp (base58, base64 or bytes) and tokenAccountState."""
    program = call.address(0)
    options = call.options(1)
    shape = AccountShape.asked(call, options, "binary")
    with_slot = options.flag("withContext")
    filters = options.get("filters") or []
    if not isinstance(filters, list):
        raise invalid_params("Invalid params: filters must be a list")
    if len(filters) > MAX_FILTERS:
        raise invalid_params(f"Too many filters provided; max {MAX_FILTERS}")
    checks = [_Filter(each) for each in filters]
    shown = []
    for candidate in call.chain.accounts.owned_by_program(program):
        account = shape.read(candidate)
        if (
            account is not None
            and account.owner == program
            and all(check.passes(account) for check in checks)
        ):
            shown.append({"pubkey": str(candidate), "account": shape.of(account)})
    return with_context(shape.slot, shown) if with_slot else shown


def get_minimum_balance_for_rent_exemption(call: Call) -> int:
    """Answers getMinimumBalanceForRentExemption."""
    size = call.integer(0, "size")
    call.options(1).commitment()
    if size > MAX_ACCOUNT_BYTES:
        raise invalid_params(f"Invalid params: no account has {size} bytes; max {MAX_ACCOUNT_BYTES}")
    return call.chain.minimum_balance(size)


class _Filter:
    """RpcFilterType, checked when it is read, whatever there is to filter."""

    def __init__(self, wanted: object) -> None:
        self._size: int | None = None
        self._offset = 0
        self._expected = b""
        self._token_account = wanted == "tokenAccountState"
        if isinstance(wanted, dict) and _whole(wanted.get("dataSize")):
            self._size = wanted["dataSize"]
        elif isinstance(wanted, dict) and isinstance(wanted.get("memcmp"), dict):
            memcmp = wanted["memcmp"]
            if not _whole(memcmp.get("offset")):
                raise invalid_params("Invalid params: memcmp needs an offset")
            self._offset = memcmp["offset"]
            self._expected = _memcmp_bytes(memcmp)
        elif not self._token_account:
            raise invalid_params("Invalid params: unknown filter")

    def passes(self, account: Account) -> bool:
        if self._size is not None:
            return len(account.data) == self._size
        if self._token_account:
            state = account.owner in TOKEN_PROGRAMS and read_token_account(account.owner, account.data)
            return bool(state)
        return account.data[self._offset : self._offset + len(self._expected)] == self._expected


def _memcmp_bytes(memcmp: dict[str, Any]) -> bytes:
    given, encoding = memcmp.get("bytes"), memcmp.get("encoding") or "base58"
    try:
        if isinstance(given, list):
            expected = bytes(given)
        elif not isinstance(given, str) or encoding not in ("base58", "base64"):
            raise invalid_params("Invalid params: memcmp needs bytes in base58 or base64")
        else:
            expected = b58decode(given) if encoding == "base58" else b64decode(given, validate=True)
    except (TypeError, ValueError) as error:
        raise invalid_params(f"Invalid params: memcmp: {error}") from error
    if len(expected) > MAX_MEMCMP_BYTES:
        raise invalid_params(f"Invalid params: encoded binary too large; max {MAX_MEMCMP_BYTES} bytes")
    return expected


def _whole(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0
