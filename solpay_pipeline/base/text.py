"""Texts that others wrote, made fit for a terminal: what steers one is shown and not obeyed."""

import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what is no letter, sign or blank: controls, marks of direction, lone surrogates."""


def harmless(text: str, *, keep: str = "") -> str:
    r"""The text with escapes such as `\x1b` in place of all that steers a terminal, but for the characters to keep."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in keep or not _steers(one) else _escaped(one) for one in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in _STEERING


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
