"""Settings that a Django project already has: `SOLANA_PAYMENTS` and `DATABASES`, so that nothing is configured twice.

What the environment gives wins, then the project's own `SOLPAY` dict (our names without `SOLPAY_`), then the peer's.
The project is loaded only when a setting is missing that it may give.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from solpay_pipeline.settings.secret import Unfit

DJANGO_SETTINGS = "SOLPAY_DJANGO_SETTINGS"
DATABASE_URL = "SOLPAY_DATABASE_URL"
WALLET_KEYS = "SOLPAY_WALLET_KEYS"

_ENGINES = {
    "django.db.backends.sqlite3": "sqlite",
    "django.db.backends.postgresql": "postgresql+psycopg",
    "django.contrib.gis.db.backends.postgis": "postgresql+psycopg",
    "django.contrib.gis.db.backends.spatialite": "sqlite",
}

_DJANGO_ONLY = frozenset(
    {
        "pool",
        "isolation_level",
        "server_side_binding",
        "assume_role",
        "timeout",
        "transaction_mode",
        "init_command",
    }
)
"""Options of `DATABASES` that are for Django itself and not for libpq."""

_MODELS = {
    "SOLPAY_PAYMENT_TABLE": ("SOLANA_PAYMENT_MODEL", "django_solana_payments.SolanaPayment"),
    "SOLPAY_TOKEN_TABLE": ("PAYMENT_CRYPTO_TOKEN_MODEL", "django_solana_payments.PaymentCryptoToken"),
}


@dataclass(frozen=True, slots=True)
class Given:
    """The text of a setting and where in the project it comes from. The text may be a secret."""

    text: str
    origin: str

    def __repr__(self) -> str:
        return f"Given({self.origin})"


def django_defaults(settings_module: str, own_names: Sequence[str]) -> dict[str, Given]:
    """What the project gives, by the names of our variables; `own_names` are all there are.

    Raises `BadSink` where the project cannot be loaded, `Unfit` where what it says cannot be used here.
    """
    from solpay_pipeline.events.sinks.django_signals import load_django_settings

    django = load_django_settings(settings_module)
    given = dict(_of_the_peer(getattr(django, "SOLANA_PAYMENTS", {}), settings_module))
    given |= _database(getattr(django, "DATABASES", {}).get("default"))
    for key, value in getattr(django, "SOLPAY", {}).items():
        name = f"SOLPAY_{key}"
        if name not in own_names or name == DJANGO_SETTINGS:
            raise Unfit(f"names a project whose SOLPAY[{key!r}] is no setting")
        given[name] = Given(_text(value), f"SOLPAY[{key!r}]")
    if "FEE_PAYER_SIGNER" in getattr(django, "SOLPAY", {}) and "FEE_PAYER_KEYPAIR" not in django.SOLPAY:
        # The peer goes on needing a key of its own, with which its web application opens accounts.
        given.pop("SOLPAY_FEE_PAYER_KEYPAIR", None)
    return given


def _of_the_peer(peer: Mapping[str, Any], settings_module: str) -> Iterator[tuple[str, Given]]:
    for ours, (theirs, read) in _PEER.items():
        if peer.get(theirs) is not None:
            yield ours, Given(read(peer[theirs]), f"SOLANA_PAYMENTS[{theirs!r}]")
    key = "ONE_TIME_WALLETS_ENCRYPTION_KEY"
    if not peer.get("ONE_TIME_WALLETS_ENCRYPTION_ENABLED", True):
        yield WALLET_KEYS, Given("", "SOLANA_PAYMENTS['ONE_TIME_WALLETS_ENCRYPTION_ENABLED']")
    elif peer.get(key):
        yield WALLET_KEYS, Given(_text(peer[key]), f"SOLANA_PAYMENTS[{key!r}]")
    for ours, (theirs, default) in _MODELS.items():
        name = peer.get(theirs, default)
        if name != default:
            yield ours, Given(_table_of(name, settings_module), f"SOLANA_PAYMENTS[{theirs!r}]")


def _table_of(model: str, settings_module: str) -> str:
    from solpay_pipeline.events.sinks.django_signals import set_up_django

    set_up_django(settings_module)
    try:
        table: str = importlib.import_module("django.apps").apps.get_model(model)._meta.db_table  # noqa: SLF001 - Django documents it
    except (LookupError, ValueError, AttributeError, TypeError):
        raise Unfit(f"names a project that has no model {model!r}") from None
    return table


def _database(default: Mapping[str, Any] | None) -> dict[str, Given]:
    if not default or not default.get("ENGINE"):
        return {}
    driver = _ENGINES.get(default["ENGINE"])
    if driver is None:
        raise Unfit(f"names a project on {default['ENGINE']}; only SQLite and PostgreSQL are supported")
    name = str(default.get("NAME") or "")
    if driver == "sqlite":
        url = URL.create("sqlite", database=name if name.startswith("file:") else str(Path(name).resolve()))
    else:
        host, port = str(default.get("HOST") or ""), str(default.get("PORT") or "")
        options = {
            key: str(value)
            for key, value in (default.get("OPTIONS") or {}).items()
            if key not in _DJANGO_ONLY and isinstance(value, str | int)
        }
        if host.startswith("/"):
            # A folder with a socket is no host name.
            options["host"], host = host, ""
        url = URL.create(
            driver,
            username=default.get("USER") or None,
            password=default.get("PASSWORD") or None,
            host=host or None,
            port=int(port) if port.isdecimal() else None,
            database=name,
            query=options,
        )
    return {DATABASE_URL: Given(url.render_as_string(hide_password=False), "DATABASES['default']")}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _keypair_text(value: Any) -> str:
    """The peer takes text, a list of numbers, or bytes."""
    return json.dumps(list(value)) if isinstance(value, list | tuple | bytes) else str(value)


_PEER: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "SOLPAY_RPC_URLS": ("RPC_URL", _text),
    "SOLPAY_RECEIVER_ADDRESS": ("RECEIVER_ADDRESS", _text),
    "SOLPAY_FEE_PAYER_KEYPAIR": ("FEE_PAYER_KEYPAIR", _keypair_text),
    "SOLPAY_COMMITMENT": ("RPC_COMMITMENT", _text),
    "SOLPAY_ACCEPTANCE_COMMITMENT": ("PAYMENT_ACCEPTANCE_COMMITMENT", _text),
    "SOLPAY_RPC_TIMEOUT": ("RPC_TIMEOUT", _text),
    "SOLPAY_RPC_RATE_LIMIT": ("RPC_RATE_LIMIT", _text),
    "SOLPAY_RPC_HEADERS": ("RPC_EXTRA_HEADERS", json.dumps),
    "SOLPAY_RPC_PROXY": ("RPC_PROXY", _text),
}
"""Ours, the peer's (its settings.py, 1.0.0), and how its value reads as text."""
