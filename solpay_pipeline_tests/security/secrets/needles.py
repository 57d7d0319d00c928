"""Every form in which a secret could show itself, and where to look for it."""

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from solders.keypair import Keypair

# So many bytes in a row are no accident.
_PIECE = 10


def keypair_needles(keypair: Keypair) -> set[bytes]:
    """Base58, JSON arrays, hex, base64, Python bytes: of the keypair, of its secret half, of pieces of it."""
    secret = bytes(keypair)[:32]
    numbers = [str(number) for number in secret[:_PIECE]]
    texts = {
        str(keypair),
        ", ".join(numbers),
        ",".join(numbers),
        secret.hex(),
        secret.hex().upper(),
        base64.b64encode(secret).decode().rstrip("=")[:40],
        base64.urlsafe_b64encode(secret).decode().rstrip("=")[:40],
        repr(secret)[2:-1],
    }
    return {text.encode() for text in texts} | {secret[:_PIECE]}


def text_needles(*texts: str) -> set[bytes]:
    """The texts themselves and, of those in base64, what they stand for."""
    needles = set()
    for text in texts:
        needles.add(text.encode())
        needles.add(base64.b64encode(text.encode()).rstrip(b"=")[:-1])
    return needles


def found(needles: Iterable[bytes], haystacks: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where secrets show; the secrets themselves are not repeated."""
    needles = list(needles)
    return [name for name, content in haystacks if any(needle in content for needle in needles)]


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it lies there; of databases every value too, unpacked where Dagster has packed it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
            if path.suffix == ".db":
                yield from values_of(path, str(path.relative_to(folder)))


def values_of(database: Path, name: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Every value of the tables whose names begin with `prefix`."""
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if not table.startswith(prefix):
                continue
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield f"{name}:{table}", _as_bytes(value)


def _as_bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode(errors="replace")
    try:
        return value + zlib.decompress(value)
    except zlib.error:
        return value


def plain_array(keypair: Keypair) -> str:
    """How the peer stores a keypair without encryption."""
    return json.dumps(list(bytes(keypair)))
