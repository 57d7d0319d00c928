"""The one table of settings: their variables, defaults, readers, and how each may be shown.

Dagster's resources, the README and `solpay doctor` are made from it, so that they cannot disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import SecretStr
from solders.pubkey import Pubkey

from solpay_pipeline.chain.sending.signing import KeyPlace
from solpay_pipeline.records.tables import PAYMENT_TABLE, TOKEN_TABLE
from solpay_pipeline.settings import secret, values
from solpay_pipeline.settings.secret import SecretKeypair


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting: its variable, the field it becomes, and how it is read and shown.

    `default` is the text that stands for an absent or empty variable; None where there is no value then.
    `required` settings must be given, except where the one named by `unless` is given in their place. Where `if_empty`
    tells what an empty text states, that is a value too, and the variable must still be present: forgetting it states
    nothing. `empty` is the field's value without a text.
    """

    name: str
    field: str
    read: Callable[[str], object]
    description: str
    default: str | None = None
    required: bool = False
    unless: str = ""
    if_empty: str = ""
    empty: object = None
    secret: bool = False
    show: Callable[[Any], str] = str


def _list_of(read: Callable[[str], object]) -> Callable[[str], object]:
    return partial(values.read_list, read=read)


def _show_urls(urls: tuple[SecretStr, ...]) -> str:
    return ", ".join(secret.shown_url(url) for url in urls)


def _show_url(url: SecretStr | None) -> str:
    return "not set" if url is None else secret.shown_url(url)


def _show_count(values: tuple[SecretStr, ...]) -> str:
    return f"{len(values)} set" if values else "not set"


def _show_text(value: str | None) -> str:
    return "not set" if value is None else value


def _show_texts(values: tuple[str, ...]) -> str:
    return ", ".join(values) or "none"


def _show_keys(keys: tuple[SecretStr, ...]) -> str:
    return f"{len(keys)} set" if keys else "not encrypted"


def _show_headers(headers: tuple[tuple[str, SecretStr], ...]) -> str:
    return ", ".join(name for name, _ in headers) or "none"


def _show_keypair(keypair: SecretKeypair | None) -> str:
    return "not set" if keypair is None else str(keypair.pubkey)


def _show_place(place: KeyPlace | Pubkey | None) -> str:
    return "not set" if place is None else str(place)


def _show_token(token: SecretStr | None) -> str:
    return "not set" if token is None else "set"


def _show_limit(lamports: int | None) -> str:
    return "none" if lamports is None else f"{lamports} lamports"


SETTINGS: tuple[SettingSpec, ...] = (
    SettingSpec(
        "SOLPAY_DATABASE_URL",
        "database_url",
        secret.read_database_url,
        "The merchant's database: `postgresql://user:password@host/name` or `sqlite:////absolute/path`.",
        required=True,
        secret=True,
        show=secret.shown_database,
    ),
    SettingSpec(
        "SOLPAY_RPC_URLS",
        "rpc_urls",
        _list_of(secret.read_url),
        "RPC endpoints, comma separated, in order of failover.",
        required=True,
        secret=True,
        show=_show_urls,
    ),
    SettingSpec(
        "SOLPAY_RECEIVER_ADDRESS",
        "receiver_address",
        values.read_receiver,
        "The merchant's main wallet, the only place that funds go to.",
        required=True,
    ),
    SettingSpec(
        "SOLPAY_FEE_PAYER_KEYPAIR",
        "fee_payer",
        secret.read_keypair,
        "The key that pays fees and gets rent back: a JSON array of 64 numbers, base58, or the path of a "
        "file with one of them; unless `SOLPAY_FEE_PAYER_SIGNER` is set.",
        required=True,
        unless="SOLPAY_FEE_PAYER_SIGNER",
        secret=True,
        show=_show_keypair,
    ),
    SettingSpec(
        "SOLPAY_FEE_PAYER_SIGNER",
        "fee_payer_signer",
        values.read_key_place,
        "Where that key lives if not with us: `vault:https://host:8200/key` (HashiCorp Vault's transit engine), "
        "`aws-kms:KEY` (id, ARN or alias), `gcp-kms:projects/…/cryptoKeyVersions/1`. Needs the extra `kms`.",
        unless="SOLPAY_FEE_PAYER_KEYPAIR",
        show=_show_place,
    ),
    SettingSpec(
        "SOLPAY_FEE_PAYER_ADDRESS",
        "fee_payer_address",
        values.read_address,
        "The address of the key behind `SOLPAY_FEE_PAYER_SIGNER`, which it must sign as.",
        unless="SOLPAY_FEE_PAYER_KEYPAIR",
        show=_show_place,
    ),
    SettingSpec(
        "SOLPAY_FEE_PAYER_SIGNER_TOKEN",
        "fee_payer_signer_token",
        secret.read_token,
        "The token of that Vault, or the path of a file with it.",
        unless="SOLPAY_FEE_PAYER_KEYPAIR",
        secret=True,
        show=_show_token,
    ),
    SettingSpec(
        "SOLPAY_WALLET_KEYS",
        "wallet_keys",
        _list_of(secret.read_fernet_key),
        "Fernet keys of the stored wallet keypairs, comma separated; the first encrypts, all decrypt. Must "
        "be present; empty says that keypairs are stored unencrypted.",
        required=True,
        if_empty="keypairs are stored unencrypted",
        empty=(),
        secret=True,
        show=_show_keys,
    ),
    SettingSpec(
        "SOLPAY_CLUSTER",
        "cluster",
        values.read_cluster,
        "`mainnet-beta`, `devnet`, `testnet`, `localnet`, or a genesis hash. Every endpoint must be on it.",
        required=True,
    ),
    SettingSpec(
        "SOLPAY_COMMITMENT",
        "commitment",
        values.read_commitment,
        "How settled the chain's state must be to act on it: `processed`, `confirmed` or `finalized`.",
        default="confirmed",
    ),
    SettingSpec(
        "SOLPAY_ACCEPTANCE_COMMITMENT",
        "acceptance_commitment",
        values.read_acceptance_commitment,
        "How settled a payment must be to be accepted: `confirmed` or `finalized`.",
        default="confirmed",
    ),
    SettingSpec(
        "SOLPAY_RPC_TIMEOUT",
        "rpc_timeout",
        values.read_seconds,
        "Seconds that one RPC call may take, at most 300.",
        default="10",
    ),
    SettingSpec(
        "SOLPAY_RPC_RATE_LIMIT",
        "rpc_rate_limit",
        values.read_rate,
        "RPC calls a second that this program allows itself; 0 for no limit.",
        default="0",
    ),
    SettingSpec(
        "SOLPAY_RPC_HEADERS",
        "rpc_headers",
        values.read_headers,
        "HTTP headers of every RPC call: a JSON object, or `name=value,name=value`.",
        empty=(),
        secret=True,
        show=_show_headers,
    ),
    SettingSpec(
        "SOLPAY_RPC_PROXY",
        "rpc_proxy",
        secret.read_url,
        "The HTTP proxy on the way to the RPC endpoints; where there is none, HTTPS_PROXY and NO_PROXY are obeyed.",
        secret=True,
        show=_show_url,
    ),
    SettingSpec(
        "SOLPAY_PAYMENT_TABLE",
        "payment_table",
        values.read_payment_table,
        "The payment table, where the merchant has a payment model of their own.",
        default=PAYMENT_TABLE,
    ),
    SettingSpec(
        "SOLPAY_TOKEN_TABLE",
        "token_table",
        values.read_token_table,
        "The token table, where the merchant has a token model of their own.",
        default=TOKEN_TABLE,
    ),
    SettingSpec(
        "SOLPAY_TRANSACTION_VERSION",
        "transaction_version",
        values.read_transaction_version,
        "The version of the transactions that are sent, `0` or `1`. Both are always read.",
        default="0",
    ),
    SettingSpec(
        "SOLPAY_MAX_PRIORITY_FEE",
        "max_priority_fee",
        values.read_priority_fee,
        "The most that a transaction may offer beyond the base fee, in lamports; 0 for nothing. What is "
        "offered follows the chain's recent fees.",
        default="10000",
    ),
    SettingSpec(
        "SOLPAY_UNDERPAYMENT_TOLERANCE",
        "underpayment_tolerance",
        values.read_tolerance,
        "How much less than the price still pays, in all runs that are not told otherwise: base units (`1000`) or a "
        "share of the price (`0.5%`).",
        default="0",
    ),
    SettingSpec(
        "SOLPAY_WATCH_DAYS",
        "watch_days",
        values.read_days,
        "Days after expiry for which wallets are still looked at, by all runs that are not told otherwise.",
        default="7",
    ),
    SettingSpec(
        "SOLPAY_MAX_SPENT_PER_RUN",
        "max_spent_per_run",
        values.read_spending_limit,
        "The most that one run may spend of the fee payer's lamports: base fees, priority fees, and rent of accounts "
        "opened for the receiver. Once it is reached, nothing is moved any more.",
        show=_show_limit,
    ),
    SettingSpec(
        "SOLPAY_MAX_SPENT_PER_DAY",
        "max_spent_per_day",
        values.read_spending_limit,
        "The same for all runs of a UTC day together.",
        show=_show_limit,
    ),
    SettingSpec(
        "SOLPAY_WEBHOOK_URL",
        "webhook_url",
        secret.read_url,
        "Where events are posted to, by https.",
        secret=True,
        show=_show_url,
    ),
    SettingSpec(
        "SOLPAY_WEBHOOK_SECRET",
        "webhook_secrets",
        _list_of(secret.read_webhook_secret),
        "The signing secret of the webhook after Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes. While it is "
        "being changed: the new one and the old one, comma separated; each event is then signed by both.",
        empty=(),
        secret=True,
        show=_show_count,
    ),
    SettingSpec(
        "SOLPAY_WEBHOOK_ALLOW_PRIVATE",
        "webhook_allow_private",
        values.read_flag,
        "`true` where the webhook is in a private network; else only public addresses, and this very machine, are "
        "posted to.",
        default="false",
    ),
    SettingSpec(
        "SOLPAY_EVENT_TRIES",
        "event_tries",
        values.read_tries,
        "How often an event is tried at one place before it is given up. Ten tries take three days.",
        default="10",
    ),
    SettingSpec(
        "SOLPAY_EVENT_HANDLERS",
        "event_handlers",
        _list_of(values.read_handler),
        "Python callables that get every event, as `package.module:function`, comma separated.",
        empty=(),
        show=_show_texts,
    ),
    SettingSpec(
        "SOLPAY_DJANGO_SETTINGS",
        "django_settings",
        values.read_module,
        "The merchant's Django settings module; with it the peer's own signals are sent, and what is not set here is "
        "taken from its `SOLPAY`, `SOLANA_PAYMENTS` and `DATABASES`.",
        show=_show_text,
    ),
)
"""Every setting, in the order in which they are read, shown and documented."""
