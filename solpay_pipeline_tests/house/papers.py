"""The papers of the house as text: what the repository holds, and what its documents, comments and docstrings cite."""

import ast
import io
import re
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT, TESTS = "solpay_pipeline", "solpay_pipeline_tests"

_CONFIGURATION = {".yml", ".yaml", ".cfg", ".toml", ".ini"}
_MAY_CITE = re.compile(r"\.(?:py|md|ya?ml|json|cfg|toml)\b|\b(?:SPEC|DESIGN|SOLANA|PEER|DAGSTER)\b")
"""Reading the comments of a file that holds none of these takes most of the time and finds nothing."""

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


@cache
def files() -> tuple[str, ...]:
    """Every file of the repository, what is new and not ignored among them, as a path from its root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(sorted(name for name in listed.stdout.splitlines() if (ROOT / name).is_file()))


@cache
def text_of(file: str) -> str:
    """The file's text."""
    return (ROOT / file).read_text(encoding="utf-8")


def documents() -> list[str]:
    """Every Markdown file."""
    return [name for name in files() if name.endswith(".md")]


@dataclass(frozen=True)
class Words:
    """What a person reads in a file: a document without its code blocks, or a program's comments and docstrings."""

    file: str
    text: str


@cache
def all_words() -> tuple[Words, ...]:
    """The words of every document, program and configuration file."""
    return tuple(Words(file, words) for file in files() if (words := _words_of(file)))


def _words_of(file: str) -> str:
    if file.endswith(".py"):
        return "\n".join(_said_in(text_of(file))) if _MAY_CITE.search(text_of(file)) else ""
    if file.endswith(".md"):
        return _FENCE.sub("", text_of(file))
    if Path(file).suffix in _CONFIGURATION or Path(file).name in ("Makefile", "run"):
        return "\n".join(re.findall(r"#.*", text_of(file)))
    return ""


def _said_in(source: str) -> Iterator[str]:
    """Comments and docstrings, those of attributes as well."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


def links_of(document: str) -> list[str]:
    """The targets of a document's links and pictures that are within the repository."""
    targets = _LINK.findall(_FENCE.sub("", text_of(document)))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


@cache
def anchors_of(document: str) -> frozenset[str]:
    """The anchors that GitHub gives the headings of a document."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in _HEADING.findall(_FENCE.sub("", text_of(document))):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(anchors)


def rows_of(document: str) -> list[list[str]]:
    """The cells of every table row of a document, heads and rules left out."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in _FENCE.sub("", text_of(document)).splitlines()
        if line.startswith("|")
    ]
    rules = {number for number, row in enumerate(rows) if all(re.fullmatch(r":?-+:?", cell) for cell in row)}
    return [row for number, row in enumerate(rows) if not {number, number + 1} & rules]


def ticked(text: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`\n]+)`", text)
