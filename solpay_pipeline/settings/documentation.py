"""Write the documents' tables of settings: `python -m solpay_pipeline.settings.documentation [--check]`.

With `--check` nothing is written; the exit code is 1 where a document differs from the table.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from solpay_pipeline.settings.model import SETTINGS, Need, Setting, Settings, Timetable

ROOT = Path(__file__).resolve().parents[2]

_BEGIN = "<!-- made by python -m solpay_pipeline.settings.documentation -->\n"
_END = "<!-- end of what is made -->\n"
_HEAD = "| variable | default | meaning |\n| --- | --- | --- |\n"
_SECTIONS = {
    Need.DATABASE: "Tables and events",
    Need.WATCH: "Reading the chain",
    Need.OPERATE: "Planning and limits",
    Need.SIGN: "Keys",
}


def table(rows: Iterable[Setting]) -> str:
    """A Markdown table."""
    return _HEAD + "".join(
        f"| `{row.name}` | {_default(row)} | {row.description}{' A secret.' if row.kind.is_secret else ''} |\n"
        for row in rows
    )


def documents() -> dict[Path, str]:
    """Each document as it should be: the README with what must be set, `docs/configuration.md` with everything."""
    sections = {
        title: [row for row in Settings.rows() if row.need is need] for need, title in _SECTIONS.items()
    } | {"What runs by itself": Timetable.rows()}
    made = {
        ROOT / "README.md": table(row for row in SETTINGS if row.required),
        ROOT / "docs" / "configuration.md": "\n".join(
            f"## {title}\n\n{table(rows)}" for title, rows in sections.items()
        ),
    }
    return {path: _with(path.read_text(encoding="utf-8"), tables) for path, tables in made.items()}


def main(arguments: list[str]) -> int:
    """Write the documents, or only name those that differ."""
    differing = [(path, text) for path, text in documents().items() if path.read_text("utf-8") != text]
    for path, text in differing:
        if "--check" in arguments:
            sys.stderr.write(f"{path.name}: its settings differ from the table; run {__spec__.name}\n")
        else:
            path.write_text(text, encoding="utf-8")
    return int("--check" in arguments and bool(differing))


def _default(row: Setting) -> str:
    if row.required:
        return "required"
    return "none" if row.default in (None, ()) else f"`{row.shown(row.default)}`"


def _with(text: str, tables: str) -> str:
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n{tables}\n{_END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
