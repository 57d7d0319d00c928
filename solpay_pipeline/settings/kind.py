"""Kinds of values that settings have: how a text is read, and what may be printed of what was read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import SecretStr

from solpay_pipeline.base.errors import NeedsOperator

LONGEST_SHOWN = 60
"""A longer value is not repeated in an error: it may be a secret in the wrong variable."""

_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")

Item = TypeVar("Item")


class Unfit(NeedsOperator, ValueError):
    """A text that cannot be used as the value it should be. One line, free of secrets."""


def plain(value: object) -> str:
    """Print a value as it would be written; of a secret only that it is there."""
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Item]):
    """`read` makes a value of a text, stripped and not empty, or raises `Unfit`; `show` prints what is public of it."""

    read: Callable[[str], Item]
    show: Callable[[Item], str] = plain
    is_secret: bool = False


def fitting(
    what: str,
    parse: Callable[[str], Item | None],
    show: Callable[[Item], str] = plain,
    *,
    is_secret: bool = False,
) -> Kind[Item]:
    """A kind called `what`, read by a function that gives None or raises ValueError for other texts.

    Where the function knows better what is wrong, it raises `Unfit`.
    """

    def read(text: str) -> Item:
        try:
            value = parse(text)
        except Unfit:
            raise
        except ValueError:
            value = None
        if value is None:
            raise Unfit(f"is not {what}" if is_secret else f"{quoted(text)} is not {what}")
        return value

    return Kind(read, show, is_secret)


def one_of(values: Mapping[str, Item]) -> Kind[Item]:
    """Some words, each of which has its value."""
    return fitting(" or ".join(values), values.get)


def whole(unit: str, least: int, most: int | None = None) -> Kind[int]:
    """Whole numbers, both bounds included."""

    def parse(text: str) -> int | None:
        is_whole = _WHOLE_NUMBER.fullmatch(text) and int(text) >= least
        return int(text) if is_whole and (most is None or int(text) <= most) else None

    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
    return fitting(f"a whole number of {unit} {bounds}", parse)


def matching(what: str, pattern: str) -> Kind[str]:
    """Texts that match a pattern as a whole, in ASCII."""
    compiled = re.compile(pattern, re.ASCII)
    return fitting(what, lambda text: text if compiled.fullmatch(text) else None)


def list_of(kind: Kind[Item]) -> Kind[tuple[Item, ...]]:
    """Comma-separated values of a kind. Blank ones and repetitions are refused."""

    def read(text: str) -> tuple[Item, ...]:
        parts = [part.strip() for part in text.split(",")]
        items: list[Item] = []
        for position, part in enumerate(parts, start=1):
            entry = f"entry {position} of {len(parts)} " if len(parts) > 1 else ""
            if not part:
                raise Unfit(f"{entry}is empty")
            if parts.index(part) != position - 1:
                raise Unfit(f"{entry}is the same as entry {parts.index(part) + 1}")
            items.append(_read_entry(kind, part, entry))
        return tuple(items)

    def show(items: tuple[Item, ...]) -> str:
        return (
            f"{len(items)} set" if kind.is_secret and kind.show is plain else ", ".join(map(kind.show, items))
        )

    return Kind(read, show, kind.is_secret)


def quoted(text: str) -> str:
    """A value as an error may show it: quoted, on one line; its length alone where it looks like a secret."""
    if len(text) > LONGEST_SHOWN or text.endswith("=") or text.startswith(("whsec_", "[")):
        return f"a value of {len(text)} characters"
    return ascii(text)


def _read_entry(kind: Kind[Item], part: str, entry: str) -> Item:
    try:
        return kind.read(part)
    except Unfit as unfit:
        problem = str(unfit)
    raise Unfit(f"{entry}{problem}")
