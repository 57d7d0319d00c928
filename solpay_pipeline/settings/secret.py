"""Secrets of the settings: keypairs, keys, and URLs that carry a token or a password.

Each reader takes the text of a setting and gives a value that hides itself in repr, str and tracebacks.
A text that does not fit raises `Unfit`, which says what is wrong and never what was given.
"""

import base64
import binascii
import json
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from pydantic import SecretStr
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from solpay_pipeline.base.errors import NeedsOperator

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


class Unfit(NeedsOperator, ValueError):
    """A text that cannot be used as the value it should be. One line, free of secrets."""


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


def read_keypair(text: str) -> SecretKeypair:
    """A keypair from a JSON array of 64 numbers, from base58, or from a file that holds one of them.

    Raises:
        Unfit: Neither form, not 64 bytes, or the public half does not belong to the secret half.
    """
    if text.startswith("["):
        return _keypair_from_json(text)
    path = _existing_file(text)
    if path is not None:
        content = _file_text(path)
        return _keypair_from_json(content) if content.startswith("[") else _keypair_from_base58(content)
    return _keypair_from_base58(text)


def read_fernet_key(text: str) -> SecretStr:
    """A Fernet key: 32 bytes as URL-safe base64, 44 characters.

    Raises:
        Unfit: Not such a key.
    """
    try:
        Fernet(text)
    except ValueError:
        raise Unfit("is not a Fernet key (32 bytes as URL-safe base64, 44 characters)") from None
    return SecretStr(text)


def read_webhook_secret(text: str) -> SecretStr:
    """A symmetric signing secret after the Standard Webhooks specification: `whsec_` and base64.

    Raises:
        Unfit: Not base64, or not 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("is not a secret of Standard Webhooks: whsec_ and 24 to 64 bytes as base64") from None
    if len(key) not in WEBHOOK_SECRET_BYTES:
        raise Unfit(f"is a secret of {len(key)} bytes; Standard Webhooks asks for 24 to 64")
    return SecretStr(text)


def read_url(text: str) -> SecretStr:
    """An http or https URL with a host.

    Raises:
        Unfit: Another scheme, no host, a port that is none, or a blank inside.
    """
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"}:
        raise Unfit("is not an http:// or https:// URL with a host")
    return SecretStr(text)


def read_safe_url(text: str) -> SecretStr:
    """A URL that nobody on the way can read: of https, or of this very machine.

    Raises:
        Unfit: As `read_url`, or http to another machine.
    """
    url = read_url(text)
    parts = urlsplit(text)
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise Unfit("must be https:// (http:// is for localhost only)")
    return url


def read_database_url(text: str) -> SecretStr:
    """The URL of a SQLite file or a PostgreSQL database, with the driver that is installed here.

    Raises:
        Unfit: Another database, no URL at all, or no database named. A database in memory is refused: a
            ledger that dies with the process protects nothing.
    """
    url = _database_url(text)
    driver = None if url is None else DATABASE_DRIVERS.get(url.drivername)
    if url is None or driver is None:
        raise Unfit("is not a sqlite:///, postgresql:// or postgres:// URL")
    if driver == "sqlite" and (url.database in {None, "", ":memory:"} or url.query.get("mode") == "memory"):
        raise Unfit("names no file; a database in memory would lose the ledger with the process")
    if not url.database:
        raise Unfit("names no database")
    return SecretStr(url.set(drivername=driver).render_as_string(hide_password=False))


def read_token(text: str) -> SecretStr:
    """A token, or the path of a file with one, as Vault's agent keeps it fresh.

    Raises:
        Unfit: A file that cannot be read, or something that no HTTP header can carry.
    """
    path = _existing_file(text)
    token = text if path is None else _file_text(path)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Unfit("is no token: one word of printable characters, or a file with it")
    return SecretStr(token)


def shown_url(url: SecretStr) -> str:
    """Scheme, host and port: what may be printed of a URL that was read here."""
    parts = urlsplit(url.get_secret_value())
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def shown_database(url: SecretStr) -> str:
    """Driver, host and database: what may be printed of a database URL that was read here."""
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


def _existing_file(text: str) -> Path | None:
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


def _split(text: str) -> SplitResult | None:
    if any(character.isspace() or not character.isprintable() for character in text):
        return None
    try:
        parts = urlsplit(text)
        # An absent or impossible port is told only when it is read.
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _database_url(text: str) -> URL | None:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None
