"""A defect of the peer, as a small textual patch of our own code, and the tests that must turn red with it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE, TESTS = "solpay_pipeline", "solpay_pipeline_tests"


class UnfitPatch(Exception):
    """The text to be replaced is not in its file exactly once: the code has moved on, and the patch must follow."""


@dataclass(frozen=True)
class Edit:
    """In `file`, a path below the package, `old` becomes `new`."""

    file: str
    old: str
    new: str

    def applied_to(self, source: str) -> str:
        """The patched source. Raises `UnfitPatch`."""
        if source.count(self.old) != 1:
            raise UnfitPatch(f"{self.file}: found {source.count(self.old)} times: {self.old!r}")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Defect:
    """`name` is the number in the list of the peer's defects and a letter; `tests` are paths below the tests' folder,
    each `file` or `file::test`; all run, in order, until one fails.
    """

    name: str
    what: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    @property
    def number(self) -> int:
        """1 for P1."""
        return int(self.name[1:].rstrip("abcdefghijklmnopqrstuvwxyz"))

    @property
    def places(self) -> str:
        """The files that the patch touches."""
        return ", ".join(dict.fromkeys(edit.file for edit in self.edits))

    def apply(self, root: Path) -> None:
        """Patch the package below `root`, which must be a copy. Raises `UnfitPatch`."""
        if root.resolve() == ROOT:
            raise ValueError("the working tree is never patched")
        for file, source in self.patched(root).items():
            (root / PACKAGE / file).write_text(source, encoding="utf-8")

    def patched(self, root: Path = ROOT) -> dict[str, str]:
        """The sources that the patch makes, by file. Raises `UnfitPatch`."""
        sources: dict[str, str] = {}
        for edit in self.edits:
            before = sources.get(edit.file) or (root / PACKAGE / edit.file).read_text(encoding="utf-8")
            sources[edit.file] = edit.applied_to(before)
        return sources
