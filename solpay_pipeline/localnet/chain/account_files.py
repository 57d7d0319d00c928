"""Accounts in files, in the JSON of `solana account --output json` and `solana-test-validator --account`."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

_U64_MAX = 2**64 - 1


def account_from_json(content: object) -> tuple[Pubkey, Account]:
    """The address and the account; ValueError where something is missing or wrong."""
    try:
        return _account(content)
    except KeyError as error:
        raise ValueError(f"an account needs {error}") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no account: {error}") from error


def account_to_json(address: Pubkey, account: Account) -> dict[str, Any]:
    """The account in that form."""
    return {
        "pubkey": str(address),
        "account": {
            "lamports": account.lamports,
            "data": [b64encode(account.data).decode(), "base64"],
            "owner": str(account.owner),
            "executable": account.executable,
            "rentEpoch": account.rent_epoch,
            "space": len(account.data),
        },
    }


def load_account(path: Path) -> tuple[Pubkey, Account]:
    """The account in a file; OSError where it cannot be read, ValueError that names the file where it is none."""
    try:
        return account_from_json(json.loads(path.read_text()))
    except ValueError as error:
        raise ValueError(f"{path} holds no account: {error}") from error


def _account(content: Any) -> tuple[Pubkey, Account]:
    account = content["account"]
    text, encoding = account["data"]
    if encoding != "base64":
        raise ValueError(f"its data is in {encoding}, not base64")
    lamports, rent_epoch = account["lamports"], account.get("rentEpoch", _U64_MAX)
    for number in (lamports, rent_epoch):
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _U64_MAX:
            raise ValueError("lamports and rentEpoch are whole numbers of 64 bits")
    raw = b64decode(text, validate=True)
    if account.get("space", len(raw)) != len(raw):
        raise ValueError("its space and its data differ")
    owner = Pubkey.from_string(account["owner"])
    made = Account(lamports, raw, owner, bool(account["executable"]), rent_epoch)
    return Pubkey.from_string(content["pubkey"]), made
