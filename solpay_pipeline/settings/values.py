"""Kinds of settings that have their own rules: words, numbers, names, addresses, places of keys, headers."""

import math
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import BACKENDS, VAULT, KeyPlace
from solpay_pipeline.lifecycle.judgement import MOST_PERCENT
from solpay_pipeline.lifecycle.terms import Commitment
from solpay_pipeline.operations.context.options import TOLERANCE_FORMS, parse_tolerance
from solpay_pipeline.settings.kind import Kind, Unfit, fitting, matching, one_of, quoted, whole
from solpay_pipeline.settings.secret import SAFE_URL

CLUSTERS = ("mainnet-beta", "devnet", "testnet", "localnet")

LONGEST_NAME = 63
"""PostgreSQL cuts longer names (NAMEDATALEN - 1)."""

PRICES_SUFFIX = "_crypto_prices"
"""What Django adds to the payment table's name for the many-to-many table; a cut name would not be found."""

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


def _seconds(text: str) -> float | None:
    seconds = float(text)
    return seconds if 0 < seconds <= 300 else None


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
    is_never = fields[3] == [2] and fields[2] in ([30], [31])
    return text if len(fields) == _CRON_FIELDS and not is_never else None


def _timezone(text: str) -> str | None:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, OSError):
        # A folder of zones, such as Europe, is opened like a zone.
        return None


def _receiver(text: str) -> Pubkey:
    address = ADDRESS.read(text)
    known = NOT_RECEIVERS.get(text)
    if known is not None:
        raise Unfit(f"{text} is {known}; money sent there would be lost")
    if text.startswith(SYSVAR_PREFIX):
        raise Unfit(f"{text} is a sysvar; money sent there would be lost")
    return address


def _key_place(text: str) -> KeyPlace:
    backend, _, place = text.partition(":")
    if backend not in BACKENDS or not place:
        raise Unfit(f"{quoted(text)} does not begin with {', '.join(f'{name}:' for name in BACKENDS)}")
    if backend != VAULT:
        if not place.isprintable() or " " in place:
            raise Unfit("names a key with a blank in it")
        return KeyPlace(backend, place)
    url, _, key = SAFE_URL.read(place).get_secret_value().rpartition("/")
    parts = urlsplit(url)
    if not parts.hostname or not key:
        raise Unfit("is no vault:https://host:8200/key")
    if parts.username or parts.password or parts.query:
        raise Unfit("has a user or a query in its URL; Vault's token is SOLPAY_FEE_PAYER_SIGNER_TOKEN")
    return KeyPlace(backend, key, url)


def _table(longest: int) -> Kind[str]:
    pattern = rf"(?=.{{1,{longest}}}\Z)[A-Za-z_][A-Za-z0-9_]*_[A-Za-z0-9]+"
    return matching(f"a table as Django names one (app_model, up to {longest} characters)", pattern)


_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_LEVELS = {level.value: level for level in Commitment}

ADDRESS = fitting("a base58 Solana address (32 bytes)", Pubkey.from_string)
CLUSTER = fitting(f"{', '.join(CLUSTERS)}, or a genesis hash (base58, 32 bytes)", _cluster)
COMMITMENT = one_of(_LEVELS)
CRON = fitting("a cron expression of five fields", _cron)
FLAG = one_of({"true": True, "false": False})
HANDLER = matching("package.module:function", rf"{_MODULE}:[A-Za-z_]\w*")
KEY_PLACE = Kind(_key_place)
"""A key in a Vault (`vault:https://host:8200/key`) or a KMS (`aws-kms:KEY`, `gcp-kms:projects/...`)."""
MODULE = matching("a module's name such as shop.settings", _MODULE)
PRIORITY_FEE = whole("lamports (not micro-lamports)", 0, 100_000_000)
"""Up to 0.1 SOL a transaction. More is surely micro-lamports a compute unit, set by mistake."""
RATE = fitting("a number of requests a second (0 for no limit)", _rate)
RECEIVER = Kind(_receiver)
"""An address that can take money home: no program, sysvar or well-known mint."""
SAFE_COMMITMENT = one_of(
    {name: level for name, level in _LEVELS.items() if level is not Commitment.PROCESSED}
)
"""A level that a payment may be accepted at; a processed block can still vanish."""
SECONDS = fitting("a number of seconds above 0 and at most 300", _seconds)
PAYMENT_TABLE = _table(LONGEST_NAME - len(PRICES_SUFFIX))
TIMEZONE = fitting("a time zone such as UTC or Europe/Berlin", _timezone)
TOKEN_TABLE = _table(LONGEST_NAME)
TOLERANCE = fitting(f"{TOLERANCE_FORMS}, at most {MOST_PERCENT}% of a price", parse_tolerance)
