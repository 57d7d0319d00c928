"""Secrets of the settings: keypairs, keys, and URLs that carry a token or a password.

What is read hides itself in repr, str and tracebacks. An `Unfit` says what is wrong and never what was given.
"""

import base64
import json
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import sqlalchemy
from cryptography.fernet import Fernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from solpay_pipeline.settings.kind import Kind, Unfit, fitting

KEYPAIR_BYTES = 64
"""Secret half, then public half: the form of the Solana CLI's files."""

POSTGRESQL_DRIVER = "postgresql+psycopg"
"""psycopg 3, whatever the short scheme would mean to the installed SQLAlchemy."""

DATABASE_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": POSTGRESQL_DRIVER,
    "postgresql": POSTGRESQL_DRIVER,
    "postgresql+psycopg": POSTGRESQL_DRIVER,
}

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of Standard Webhooks
WEBHOOK_SECRET_BYTES = range(24, 65)
"""Standard Webhooks, "Signature scheme": between 24 bytes (192 bits) and 64 bytes (512 bits)."""


class SecretKeypair:
    """A keypair that shows its public half only. It is neither printed nor pickled.

    `repr` and `str` of a solders `Keypair` print the secret half; hence this wrapper. It signs as any
    `FeePayerSigner` does.
    """

    __slots__ = ("_address", "_keypair")

    def __init__(self, keypair: Keypair) -> None:
        self._keypair = keypair
        self._address = keypair.pubkey()

    def keypair(self) -> Keypair:
        """The keypair, to sign with. Keep it out of attributes that are printed or stored."""
        return self._keypair

    @property
    def pubkey(self) -> Pubkey:
        """The address."""
        return self._address

    async def sign_message(self, message: bytes) -> Signature:
        """Sign bytes."""
        return self._keypair.sign_message(message)

    async def is_available(self) -> bool:
        """A key in memory is always there."""
        return True

    async def aclose(self) -> None:
        """Nothing to close."""

    def __repr__(self) -> str:
        return f"SecretKeypair({self.pubkey}, '**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretKeypair) and self._keypair == other._keypair

    def __hash__(self) -> int:
        return hash(self.pubkey)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keypair is not pickled")


def _keypair(text: str) -> SecretKeypair:
    path = None if text.startswith("[") else existing_file(text)
    content = text if path is None else _file_text(path)
    return _keypair_from_json(content) if content.startswith("[") else _keypair_from_base58(content)


def _fernet_key(text: str) -> SecretStr:
    Fernet(text)
    return SecretStr(text)


def _base64(text: str) -> bytes:
    return base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)


def _webhook_secret(text: str) -> SecretStr:
    key = _WEBHOOK_KEY.read(text)
    if len(key) not in WEBHOOK_SECRET_BYTES:
        raise Unfit(f"is a secret of {len(key)} bytes; Standard Webhooks asks for 24 to 64")
    return SecretStr(text)


def _url(text: str) -> SecretStr | None:
    parts = urlsplit(text)
    _check_for_password(text, "", parts.path, parts.query, parts.fragment)
    # An impossible port raises only when it is read.
    is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    return SecretStr(text) if is_usable and text.isprintable() and " " not in text else None


def _safe_url(text: str) -> SecretStr:
    url, parts = URL.read(text), urlsplit(text)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise Unfit("must be https:// (http:// is for localhost only)")
    return url


def _database_url(text: str) -> SecretStr:
    url = _parsed_database_url(text)
    driver = None if url is None else DATABASE_DRIVERS.get(url.drivername)
    if url is None or driver is None:
        raise Unfit("is not a sqlite:///, postgresql:// or postgres:// URL")
    if driver == "sqlite" and (url.database in {None, "", ":memory:"} or url.query.get("mode") == "memory"):
        raise Unfit("names no file; a database in memory would lose the ledger with the process")
    if driver != "sqlite":
        _check_for_password(text, url.host or "", url.database or "", *map(str, url.query.values()))
    if not url.database:
        raise Unfit("names no database")
    return SecretStr(url.set(drivername=driver).render_as_string(hide_password=False))


def _check_for_password(text: str, *elsewhere: str) -> None:
    """A sign that ends a user, a password or a host early leaves the rest of a password in what is printed."""
    if text.count("@") > 1 or any("@" in part for part in elsewhere):
        raise Unfit(
            "has an @ that does not stand before its host: in a user or a password write @ as %40, "
            "/ as %2F, ? as %3F, # as %23"
        )


def _token(text: str) -> SecretStr:
    path = existing_file(text)
    token = text if path is None else _file_text(path)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Unfit("is no token: one word of printable characters, or a file with it")
    return SecretStr(token)


def _shown_url(url: SecretStr) -> str:
    parts = urlsplit(url.get_secret_value())
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _shown_database(url: SecretStr) -> str:
    parts = make_url(url.get_secret_value())
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.get_backend_name()}://{parts.host or ''}{port}/{parts.database}"


def _keypair_from_json(text: str) -> SecretKeypair:
    try:
        numbers = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("is not a valid JSON array") from None
    octets = range(256)
    if (
        not isinstance(numbers, list)
        or len(numbers) != KEYPAIR_BYTES
        or not all(type(number) is int and number in octets for number in numbers)
    ):
        raise Unfit(f"is not a JSON array of {KEYPAIR_BYTES} numbers from 0 to 255")
    try:
        return SecretKeypair(Keypair.from_bytes(bytes(numbers)))
    except ValueError:
        raise Unfit("is a JSON array whose public half does not belong to its secret half") from None


def _keypair_from_base58(text: str) -> SecretKeypair:
    try:
        return SecretKeypair(Keypair.from_base58_string(text))
    except ValueError:
        raise Unfit(
            "is neither a JSON array of 64 numbers, nor base58 of 64 bytes, nor a file with one of them"
        ) from None


def existing_file(text: str) -> Path | None:
    """The file that a text names, where there is one."""
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        # Too long for a file name, a NUL byte, or a home that nobody has: not a path.
        return None


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
    raise Unfit(f"names a file that cannot be read ({reason})")


def _parsed_database_url(text: str) -> sqlalchemy.URL | None:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


KEYPAIR = Kind(_keypair, lambda keypair: str(keypair.pubkey), is_secret=True)
"""A keypair as a JSON array of 64 numbers, as base58, or as a file that holds one of them."""
FERNET_KEY = fitting("a Fernet key (32 bytes as URL-safe base64, 44 characters)", _fernet_key, is_secret=True)
_WEBHOOK_KEY = fitting(
    "a secret of Standard Webhooks: whsec_ and 24 to 64 bytes as base64", _base64, is_secret=True
)
WEBHOOK_SECRET = Kind(_webhook_secret, is_secret=True)
URL = fitting("an http:// or https:// URL with a host", _url, _shown_url, is_secret=True)
SAFE_URL = Kind(_safe_url, _shown_url, is_secret=True)
"""A URL that nobody on the way can read: of https, or of this very machine."""
DATABASE_URL = Kind(_database_url, _shown_database, is_secret=True)
"""A SQLite file or a PostgreSQL database, with the driver that is installed here. A database in memory is refused:
a ledger that dies with the process protects nothing."""
TOKEN = Kind(_token, is_secret=True)
"""A token, or a file with one, as Vault's agent keeps it fresh."""
