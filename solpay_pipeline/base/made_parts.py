"""Parts of documents that are made from code: written between two marks, or checked."""

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_END = "<!-- end of what is made -->\n"


def with_part(path: Path, maker: str, part: str) -> str:
    """The text of a document with what `python -m maker` makes of it now."""
    begin = f"<!-- made by python -m {maker} -->\n"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(_END)[2]
    return f"{before}{begin}\n{part}\n{_END}{after}"


def write_or_check(documents: Mapping[Path, str], maker: str, arguments: list[str]) -> int:
    """Write documents as they should be; with `--check` only name those that differ. The exit code."""
    differing = [(path, text) for path, text in documents.items() if path.read_text("utf-8") != text]
    for path, text in differing:
        if "--check" in arguments:
            sys.stderr.write(f"{path.name} differs from the code; run python -m {maker}\n")
        else:
            path.write_text(text, encoding="utf-8")
    return int("--check" in arguments and bool(differing))
