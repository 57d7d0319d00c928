"""Write the table of evidence into `docs/safety.md`: `python -m solpay_pipeline_tests.house.evidence_table [--check]`."""

import sys
from pathlib import Path

from solpay_pipeline.base.made_parts import ROOT, with_part, write_or_check
from solpay_pipeline.lifecycle.evidence.grounds import GROUNDS, Evidence

_MAKER = "solpay_pipeline_tests.house.evidence_table"


def table() -> str:
    """A Markdown table: each decision, what it may rest on from the cheapest on, and why."""
    head = "| decision | rests on | why |\n| --- | --- | --- |\n"
    return head + "".join(
        f"| {decision.value} | {', '.join(one.value for one in Evidence if one in ground.levels)} | {ground.reason} |\n"
        for decision, ground in GROUNDS.items()
    )


def documents() -> dict[Path, str]:
    """The document as it should be."""
    path = ROOT / "docs" / "safety.md"
    return {path: with_part(path, _MAKER, table())}


if __name__ == "__main__":
    sys.exit(write_or_check(documents(), _MAKER, sys.argv[1:]))
