"""A copy of the source tree in which code may be broken, and test runs against it in processes of their own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from solpay_pipeline_tests.proofs.mutants.defect import PACKAGE, ROOT, TESTS, Defect

TEST_SECONDS = 90
"""A test that hangs on broken code fails by then; the slowest of those that are run takes fifteen."""

BROKEN_BY_HAND = re.compile(
    r"\b(NameError|ImportError|SyntaxError|UnboundLocalError|AttributeError|TypeError)\b"
)
"""What a clumsy patch fails with; it would prove nothing of the tests."""


class Verdict(Enum):
    """What a test run says."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    BROKEN = "broken"
    """Nothing can be said: the code could not be imported, or the tests could not begin."""


@dataclass(frozen=True)
class Trial:
    """`test` is the first that failed, `words` what pytest said of it."""

    verdict: Verdict
    test: str
    words: str
    seconds: float


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the package and its tests in a temporary folder, from which the package is really imported."""
    with tempfile.TemporaryDirectory(prefix="solpay-mutants-") as folder:
        root = Path(folder).resolve()
        left_out = shutil.ignore_patterns("node_modules", "__pycache__")
        for name in (PACKAGE, TESTS):
            shutil.copytree(ROOT / name, root / name, ignore=left_out)
        shutil.copy(ROOT / "pyproject.toml", root)
        where = f"import {PACKAGE}, {TESTS}; print({PACKAGE}.__file__, {TESTS}.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", where],
            cwd=root,
            env=environment(root),
            check=True,
            capture_output=True,
            text=True,
        )
        if any(not path.startswith(str(root)) for path in found.stdout.split()):
            raise RuntimeError(f"the copy is not what is imported: {found.stdout}")
        yield root


@contextmanager
def broken_by(defect: Defect, root: Path) -> Iterator[None]:
    """Put a defect into a copied tree, and take it out again."""
    originals = {edit.file: (root / PACKAGE / edit.file).read_text(encoding="utf-8") for edit in defect.edits}
    try:
        defect.apply(root)
        yield
    finally:
        for file, source in originals.items():
            (root / PACKAGE / file).write_text(source, encoding="utf-8")


def try_out(root: Path, tests: Sequence[str]) -> Trial:
    """Run tests, slow ones too, against a copied tree until one fails."""
    started = time.monotonic()
    options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-o", f"timeout={TEST_SECONDS}"]
        + [f"{TESTS}/{test}" for test in tests],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    return _trial(ran.returncode, ran.stdout + ran.stderr, time.monotonic() - started)


def _trial(code: int, output: str, seconds: float) -> Trial:
    if code == 0:
        return Trial(Verdict.SURVIVED, "", "", seconds)
    failed = re.search(rf"^FAILED {TESTS}/(.+?)(?: - (.*))?$", output, re.MULTILINE)
    if code != 1 or failed is None:
        return Trial(Verdict.BROKEN, "", output[-2_000:], seconds)
    test, words = failed[1], failed[2] or ""
    return Trial(Verdict.BROKEN if BROKEN_BY_HAND.search(words) else Verdict.CAUGHT, test, words, seconds)


def environment(root: Path) -> dict[str, str]:
    """Wide lines, so that pytest cuts no name; no byte code, since a patch may keep a file's size and second."""
    return {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "400", "PYTHONDONTWRITEBYTECODE": "1"}
