"""Write the documents' tables of settings: `python -m solpay_pipeline.settings.documentation [--check]`.

With `--check` nothing is written; the exit code is 1 where a document differs from the table.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from solpay_pipeline.base.made_parts import ROOT, with_part, write_or_check
from solpay_pipeline.settings.model import SETTINGS, Need, Setting, Settings, Timetable

_MAKER = "solpay_pipeline.settings.documentation"
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
    return {path: with_part(path, _MAKER, tables) for path, tables in made.items()}


def _default(row: Setting) -> str:
    if row.required:
        return "required"
    return "none" if row.default in (None, ()) else f"`{row.shown(row.default)}`"


if __name__ == "__main__":
    sys.exit(write_or_check(documents(), _MAKER, sys.argv[1:]))
