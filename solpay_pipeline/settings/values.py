"""Readers of settings that are no secret: words, numbers, names, addresses, and lists of any kind.

Each reader takes the text of a setting, already stripped and not empty; it gives the value or raises `Unfit`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import BACKENDS, VAULT, KeyPlace
from solpay_pipeline.operations.context.options import parse_tolerance
from solpay_pipeline.settings import secret
from solpay_pipeline.settings.secret import Unfit

CLUSTERS = ("mainnet-beta", "devnet", "testnet", "localnet")

LONGEST_NAME = 63
"""PostgreSQL cuts longer names (NAMEDATALEN - 1)."""

PRICES_SUFFIX = "_crypto_prices"
"""What Django adds to the payment table's name for the many-to-many table; a cut name would not be found."""

LONGEST_SHOWN = 60
"""A longer value is not repeated in an error: it may be a secret in the wrong variable."""

MOST_SECONDS = 300

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

_CRON_FIELDS = 5
_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, 5.6.2."""

Item = TypeVar("Item")


def quoted(text: str) -> str:
    """A value as an error may show it: quoted, on one line; its length alone where it looks like a secret."""
    if len(text) > LONGEST_SHOWN or text.endswith("=") or text.startswith(("whsec_", "[")):
        return f"a value of {len(text)} characters"
    return ascii(text)


def fitting(
    what: str, parse: Callable[[str], Item | None], errors: tuple[type[Exception], ...] = (ValueError,)
) -> Callable[[str], Item]:
    """A reader of `what` by a function that gives None or raises one of `errors` for other texts."""

    def read(text: str) -> Item:
        try:
            value = parse(text)
        except errors:
            value = None
        if value is None:
            raise Unfit(f"{quoted(text)} is not {what}")
        return value

    return read


def one_of(values: Mapping[str, Item]) -> Callable[[str], Item]:
    """A reader of some words, each of which has its value."""
    return fitting(" or ".join(values), values.get)


def whole(unit: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers, both bounds included."""

    def parse(text: str) -> int | None:
        is_whole = _WHOLE_NUMBER.fullmatch(text) and int(text) >= least
        return int(text) if is_whole and (most is None or int(text) <= most) else None

    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
    return fitting(f"a whole number of {unit} {bounds}", parse)


def list_of(read: Callable[[str], Item]) -> Callable[[str], tuple[Item, ...]]:
    """A reader of comma-separated items, each by `read`. Blank items and repetitions are refused."""

    def read_list(text: str) -> tuple[Item, ...]:
        parts = [part.strip() for part in text.split(",")]
        items: list[Item] = []
        for position, part in enumerate(parts, start=1):
            entry = f"entry {position} of {len(parts)}"
            if not part:
                raise Unfit(f"{entry} is empty")
            if parts.index(part) != position - 1:
                raise Unfit(f"{entry} is the same as entry {parts.index(part) + 1}")
            items.append(_read_item(part, read, f"{entry} " if len(parts) > 1 else ""))
        return tuple(items)

    return read_list


def _table(longest: int) -> Callable[[str], str]:
    named = _matching(rf"(?=.{{1,{longest}}}\Z)[A-Za-z_][A-Za-z0-9_]*_[A-Za-z0-9]+")
    return fitting(f"a table as Django names one (app_model, up to {longest} characters)", named)


def _matching(pattern: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: text if compiled.fullmatch(text) else None


def _seconds(text: str) -> float | None:
    seconds = float(text)
    return seconds if 0 < seconds <= MOST_SECONDS else None


def _rate(text: str) -> float | None:
    rate = float(text)
    return rate if 0 <= rate < math.inf else None


def _cluster(text: str) -> str:
    if text not in CLUSTERS:
        Pubkey.from_string(text)
    return text


def _cron(text: str) -> str | None:
    """As `dagster._utils.schedules.is_valid_cron_string` has it, with the release that Dagster carries a copy of."""
    # Its import runs a program; no command of the shell need wait for that while the defaults hold.
    from croniter import croniter

    if not croniter.is_valid(text):
        return None
    fields = croniter.expand(text)[0]
    never = fields[3] == [2] and fields[2] in ([30], [31])
    return text if len(fields) == _CRON_FIELDS and not never else None


def _timezone(text: str) -> str:
    return ZoneInfo(text).key


read_address = fitting("a base58 Solana address (32 bytes)", Pubkey.from_string)
read_cluster = fitting(f"{', '.join(CLUSTERS)}, or a genesis hash (base58, 32 bytes)", _cluster)
read_cron = fitting("a cron expression of five fields", _cron)
read_flag = one_of({"true": True, "false": False})
read_handler = fitting("package.module:function", _matching(rf"{_MODULE}:[A-Za-z_]\w*"))
read_module = fitting("a module's name such as shop.settings", _matching(_MODULE))
read_rate = fitting("a number of requests a second (0 for no limit)", _rate)
read_seconds = fitting(f"a number of seconds above 0 and at most {MOST_SECONDS}", _seconds)
read_timezone = fitting(
    "a time zone such as UTC or Europe/Berlin", _timezone, (ValueError, ZoneInfoNotFoundError, OSError)
)
read_tolerance = fitting("a number of base units or a percentage below 100", parse_tolerance)
read_payment_table = _table(LONGEST_NAME - len(PRICES_SUFFIX))
read_token_table = _table(LONGEST_NAME)


def read_receiver(text: str) -> Pubkey:
    """An address that can take money home: no program, sysvar or well-known mint."""
    address = read_address(text)
    known = NOT_RECEIVERS.get(text)
    if known is not None:
        raise Unfit(f"{text} is {known}; money sent there would be lost")
    if text.startswith(SYSVAR_PREFIX):
        raise Unfit(f"{text} is a sysvar; money sent there would be lost")
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
    url, _, key = secret.read_safe_url(place).get_secret_value().rpartition("/")
    parts = urlsplit(url)
    if not parts.hostname or not key:
        raise Unfit("is no vault:https://host:8200/key")
    if parts.username or parts.password or parts.query:
        raise Unfit("has a user or a query in its URL; Vault's token is SOLPAY_FEE_PAYER_SIGNER_TOKEN")
    return KeyPlace(backend, key, url)


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


def _read_item(part: str, read: Callable[[str], Item], entry: str) -> Item:
    try:
        return read(part)
    except Unfit as unfit:
        problem = str(unfit)
    raise Unfit(f"{entry}{problem}")


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
