"""Settings that are no secret: words, numbers, names, addresses, and lists of any kind.

Each reader takes the text of a setting, already stripped and not empty; it gives the value or raises `Unfit`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import BACKENDS, VAULT, KeyPlace
from solpay_pipeline.lifecycle.judgement import Tolerance
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.options import BadOption, parse_tolerance
from solpay_pipeline.settings import secret
from solpay_pipeline.settings.secret import Unfit

CLUSTERS = ("mainnet-beta", "devnet", "testnet", "localnet")

LONGEST_NAME = 63
"""PostgreSQL cuts longer names (NAMEDATALEN - 1)."""

PRICES_SUFFIX = "_crypto_prices"
"""What Django adds to the payment table's name for the many-to-many table; a cut name would not be found."""

LONGEST_SHOWN = 60
"""A longer value is not repeated in an error: it may be a secret in the wrong variable."""

MOST_DAYS = 3_650

MAX_PRIORITY_FEE = 100_000_000
"""0.1 SOL a transaction. More is surely micro-lamports a compute unit, set by mistake."""

NOT_RECEIVERS = {
    "11111111111111111111111111111111": "the system program",
    "1nc1nerator11111111111111111111111111111111": "the incinerator, which destroys what it gets",
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA": "the SPL Token program",
    "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb": "the Token-2022 program",
    "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL": "the associated token account program",
    "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr": "the memo program",
    "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo": "the memo program",
    "ComputeBudget111111111111111111111111111111": "the compute budget program",
    "AddressLookupTab1e1111111111111111111111111": "the address lookup table program",
    "Stake11111111111111111111111111111111111111": "the stake program",
    "Vote111111111111111111111111111111111111111": "the vote program",
    "Config1111111111111111111111111111111111111": "the config program",
    "Ed25519SigVerify111111111111111111111111111": "the ed25519 program",
    "KeccakSecp256k11111111111111111111111111111": "the secp256k1 program",
    "NativeLoader1111111111111111111111111111111": "the native loader",
    "BPFLoader1111111111111111111111111111111111": "a program loader",
    "BPFLoader2111111111111111111111111111111111": "a program loader",
    "BPFLoaderUpgradeab1e11111111111111111111111": "a program loader",
    "LoaderV411111111111111111111111111111111111": "a program loader",
    "So11111111111111111111111111111111111111112": "the mint of wrapped SOL",
    "9pan9bMn5HatX4EJdBwg9VgCa7Uz5HL8N1m5D3NdXej9": "the mint of wrapped SOL (Token-2022)",
    "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v": "the mint of USDC",
    "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB": "the mint of USDT",
    "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU": "the mint of USDC on devnet",
}
"""Addresses that nobody holds the key of. A multisig's vault is off the curve too, and allowed."""

SYSVAR_PREFIX = "Sysvar"
"""How the address of every sysvar begins (docs.anza.xyz/runtime/sysvars)."""

_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*_[A-Za-z0-9]+")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_HANDLER = re.compile(rf"{_MODULE.pattern}:[A-Za-z_]\w*", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, 5.6.2."""

Item = TypeVar("Item")


def quoted(text: str) -> str:
    """A value as an error may show it: quoted, on one line; its length alone where it looks like a secret."""
    if len(text) > LONGEST_SHOWN or text.endswith("=") or text.startswith(("whsec_", "[")):
        return f"a value of {len(text)} characters"
    return ascii(text)


def read_list(text: str, read: Callable[[str], Item]) -> tuple[Item, ...]:
    """Comma-separated items, each by its own reader. Blank items and repetitions are refused."""
    parts = [part.strip() for part in text.split(",")]
    items: list[Item] = []
    for position, part in enumerate(parts, start=1):
        if not part:
            raise Unfit(f"entry {position} of {len(parts)} is empty")
        if parts.index(part) != position - 1:
            raise Unfit(f"entry {position} of {len(parts)} is the same as entry {parts.index(part) + 1}")
        items.append(_read_item(part, read, position, len(parts)))
    return tuple(items)


def read_commitment(text: str) -> Commitment:
    """Any commitment level."""
    return Commitment(_one_of(text, list(Commitment)))


def read_acceptance_commitment(text: str) -> Commitment:
    """A level that a payment may be accepted at; a processed block can still vanish."""
    return Commitment(_one_of(text, [Commitment.CONFIRMED, Commitment.FINALIZED]))


def read_cluster(text: str) -> str:
    """A cluster's name, or the genesis hash of another one."""
    if text in CLUSTERS or _pubkey(text) is not None:
        return text
    raise Unfit(f"{quoted(text)} is not {', '.join(CLUSTERS)}, or a genesis hash (base58, 32 bytes)")


def read_receiver(text: str) -> Pubkey:
    """An address that can take money home: no program, sysvar or well-known mint."""
    address = read_address(text)
    known = NOT_RECEIVERS.get(text)
    if known is not None:
        raise Unfit(f"{text} is {known}; money sent there would be lost")
    if text.startswith(SYSVAR_PREFIX):
        raise Unfit(f"{text} is a sysvar; money sent there would be lost")
    return address


def read_address(text: str) -> Pubkey:
    """Any address."""
    address = _pubkey(text)
    if address is None:
        raise Unfit(f"{quoted(text)} is not a base58 Solana address (32 bytes)")
    return address


def read_key_place(text: str) -> KeyPlace:
    """A key in a Vault (`vault:https://host:8200/key`) or a KMS (`aws-kms:KEY`, `gcp-kms:projects/...`)."""
    backend, _, place = text.partition(":")
    if backend not in BACKENDS or not place:
        raise Unfit(f"{quoted(text)} does not begin with {', '.join(f'{name}:' for name in BACKENDS)}")
    if backend != VAULT:
        if not place.isprintable() or " " in place:
            raise Unfit("names a key with a blank in it")
        return KeyPlace(backend, place)
    url, _, key = secret.read_url(place).get_secret_value().rpartition("/")
    parts = urlsplit(url)
    if not parts.hostname or not key:
        raise Unfit("is no vault:https://host:8200/key")
    if parts.username or parts.password or parts.query:
        raise Unfit("has a user or a query in its URL; Vault's token is SOLPAY_FEE_PAYER_SIGNER_TOKEN")
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise Unfit("must be https:// (http:// is for localhost only)")
    return KeyPlace(backend, key, url)


def read_spending_limit(text: str) -> int:
    """Lamports, above 0."""
    if not _WHOLE_NUMBER.fullmatch(text) or int(text) == 0:
        raise Unfit(f"{quoted(text)} is not a whole number of lamports above 0")
    return int(text)


def read_seconds(text: str) -> float:
    """A time-out in seconds, above 0 and at most 300."""
    seconds = _number(text)
    if seconds is None or not 0 < seconds <= 300:
        raise Unfit(f"{quoted(text)} is not a number of seconds above 0 and at most 300")
    return seconds


def read_rate(text: str) -> float:
    """Requests a second, 0 for no limit."""
    rate = _number(text)
    if rate is None or rate < 0:
        raise Unfit(f"{quoted(text)} is not a number of requests a second (0 for no limit)")
    return rate


def read_priority_fee(text: str) -> int:
    """Lamports a transaction."""
    if not _WHOLE_NUMBER.fullmatch(text):
        raise Unfit(f"{quoted(text)} is not a whole number of lamports")
    lamports = int(text)
    if lamports > MAX_PRIORITY_FEE:
        raise Unfit(
            f"{lamports} lamports a transaction is above {MAX_PRIORITY_FEE} (0.1 SOL); is it micro-lamports?"
        )
    return lamports


def read_transaction_version(text: str) -> int:
    """The version of the messages we send: 0 or 1."""
    return int(_one_of(text, ["0", "1"]))


def read_flag(text: str) -> bool:
    """True or false."""
    return _one_of(text, ["true", "false"]) == "true"


def read_tries(text: str) -> int:
    """How often something is tried, from 1 to 1000."""
    if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= 1_000:
        raise Unfit(f"{quoted(text)} is not a number of tries from 1 to 1000")
    return int(text)


def read_tolerance(text: str) -> Tolerance:
    """Base units, or a percentage of the price."""
    try:
        return parse_tolerance(text)
    except BadOption:
        problem = "is neither base units nor a percentage below 100"
    raise Unfit(f"{quoted(text)} {problem}")


def read_days(text: str) -> int:
    """Whole days, from none to ten years."""
    if not _WHOLE_NUMBER.fullmatch(text) or int(text) > MOST_DAYS:
        raise Unfit(f"{quoted(text)} is not a number of days from 0 to {MOST_DAYS}")
    return int(text)


def read_payment_table(text: str) -> str:
    """The name of a payment table; Django makes `<table>_crypto_prices` beside it."""
    return _table(text, LONGEST_NAME - len(PRICES_SUFFIX))


def read_token_table(text: str) -> str:
    """The name of a token table."""
    return _table(text, LONGEST_NAME)


def read_module(text: str) -> str:
    """A dotted module's name, such as `shop.settings`."""
    if not _MODULE.fullmatch(text):
        raise Unfit(f"{quoted(text)} is not a module's name such as shop.settings")
    return text


def read_handler(text: str) -> str:
    """A callable, as `package.module:function`."""
    if not _HANDLER.fullmatch(text):
        raise Unfit(f"{quoted(text)} is not package.module:function")
    return text


def read_headers(text: str) -> tuple[tuple[str, SecretStr], ...]:
    """HTTP headers from a JSON object of strings or from `name=value,name=value`. Values count as secrets."""
    pairs = _json_pairs(text) if text.startswith("{") else _plain_pairs(text)
    seen: set[str] = set()
    for position, (name, value) in enumerate(pairs, start=1):
        if not _HEADER_NAME.fullmatch(name):
            raise Unfit(f"header {position} has a name that HTTP does not allow")
        if not value.isprintable() or not value.isascii():
            raise Unfit(f"header {position} has a value with characters that HTTP does not allow")
        if name.lower() in seen:
            raise Unfit(f"header {position} is given twice")
        seen.add(name.lower())
    return tuple((name, SecretStr(value)) for name, value in pairs)


def _read_item(part: str, read: Callable[[str], Item], position: int, count: int) -> Item:
    try:
        return read(part)
    except Unfit as unfit:
        problem = str(unfit)
    raise Unfit(problem if count == 1 else f"entry {position} of {count} {problem}")


def _table(text: str, longest: int) -> str:
    if len(text) > longest or not _TABLE_NAME.fullmatch(text):
        raise Unfit(
            f"{quoted(text)} is not a table as Django names one (app_model, up to {longest} characters)"
        )
    return text


def _one_of(text: str, words: Iterable[str]) -> str:
    allowed = list(words)
    if text not in allowed:
        raise Unfit(f"{quoted(text)} is not {' or '.join(allowed)}")
    return text


def _pubkey(text: str) -> Pubkey | None:
    try:
        return Pubkey.from_string(text)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _json_pairs(text: str) -> list[tuple[str, str]]:
    try:
        headers = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("is not a valid JSON object") from None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise Unfit("is not a JSON object of strings")
    return list(headers.items())


def _plain_pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for position, part in enumerate(text.split(","), start=1):
        name, separator, value = part.partition("=")
        if not separator:
            raise Unfit(f"header {position} is not name=value")
        pairs.append((name.strip(), value.strip()))
    return pairs
