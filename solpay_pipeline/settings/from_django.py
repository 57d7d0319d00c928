"""Settings that a Django project already has: `SOLANA_PAYMENTS` and `DATABASES`, so that nothing is configured twice.

What the environment gives wins, then the project's own `SOLPAY` dict (our names without `SOLPAY_`), then the peer's.
The project is loaded only when a setting is missing that it may give.
"""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import URL

from solpay_pipeline.settings.kind import Unfit
from solpay_pipeline.settings.table import PREFIX, Given, Setting

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


def django_defaults(
    settings_module: str, rows: Sequence[Setting], database_url: str | None = None
) -> dict[str, Given]:
    """What the project gives of some settings, by the names of our variables; `database_url` where that is given.

    Raises `BadSink` where the project cannot be loaded, `Unfit` where what it says cannot be used here.
    """
    from solpay_pipeline.events.sinks.django_signals import load_django_settings

    django = load_django_settings(settings_module)
    given = dict(_of_the_peer(getattr(django, "SOLANA_PAYMENTS", {}), rows, settings_module))
    database = getattr(django, "DATABASES", {}).get("default") or {}
    given |= {} if database_url else _database(database)
    url = database_url or (given[DATABASE_URL].text if DATABASE_URL in given else "")
    if url.startswith("sqlite"):
        _require_universal_times(django, database)
    ours = getattr(django, "SOLPAY", {})
    for key, value in ours.items():
        if f"{PREFIX}{key}" not in {row.name for row in rows}:
            raise Unfit(f"names a project whose SOLPAY[{key!r}] is no setting")
        given[f"{PREFIX}{key}"] = Given(_text(value), f"SOLPAY[{key!r}]")
    if "FEE_PAYER_SIGNER" in ours and "FEE_PAYER_KEYPAIR" not in ours:
        # The peer goes on needing a key of its own, with which its web application opens accounts.
        given.pop("SOLPAY_FEE_PAYER_KEYPAIR", None)
    return given


def _of_the_peer(
    peer: Mapping[str, Any], rows: Sequence[Setting], settings_module: str
) -> Iterator[tuple[str, Given]]:
    for row in rows:
        if row.peer and peer.get(row.peer) is not None:
            yield row.name, Given(_text(peer[row.peer]), f"SOLANA_PAYMENTS[{row.peer!r}]")
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


def _require_universal_times(django: Any, database: Mapping[str, Any]) -> None:
    """Django writes times into SQLite without their zone: by a local one they would be read hours off."""
    zone = database.get("TIME_ZONE") if django.USE_TZ else django.TIME_ZONE
    if zone and not _is_universal(str(zone)):
        raise Unfit(
            f"names a project that writes the local times of {zone} into SQLite, which does not keep the zone: set "
            "USE_TZ = True and no TIME_ZONE in DATABASES, and convert the times that are there; or use PostgreSQL"
        )


def _is_universal(zone: str) -> bool:
    days = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 13)]
    try:
        return not any(day.astimezone(ZoneInfo(zone)).utcoffset() for day in days)
    except (ZoneInfoNotFoundError, ValueError):
        return False


def _database(default: Mapping[str, Any]) -> dict[str, Given]:
    if not default.get("ENGINE"):
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
    """A value as a variable would have it; the peer takes a keypair as text, a list of numbers, or bytes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return json.dumps(value)
    if not isinstance(value, list | tuple | bytes):
        return str(value)
    items = list(value)
    return json.dumps(items) if all(isinstance(item, int) for item in items) else ",".join(map(str, items))
