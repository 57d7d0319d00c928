"""What code, tests and documents cite is there: files, headings, names of tests, modules."""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from solpay_pipeline.lifecycle.findings import FindingCode
from solpay_pipeline_tests.house.papers import (
    PRODUCT,
    ROOT,
    TESTS,
    all_words,
    anchors_of,
    documents,
    files,
    links_of,
    rows_of,
    text_of,
    ticked,
)
from solpay_pipeline_tests.proofs.mutants.defects import DEFECTS

_PATH = re.compile(r"(?<![\w./<*{-])((?:[\w.-]+/)*[\w.*-]+\.(?:py|md|yml|yaml|json|cfg|toml))(?![\w/*])")
_FOLDER = re.compile(r"(?:[\w.-]+/)+")
_CITED_HEADING = re.compile(r"\b(docs/[\w/-]+\.md)#([\w-]+)")

_OF_OTHERS = {"tests/test_management_commands.py"}
"""The peer's own tests, which its package does not bring along."""

_MADE = {"demo/"}
"""Folders that a command makes."""

_FOREIGN = ("django_solana_payments", "django")
"""Installed packages whose files are cited by their path within the package."""


def _exists(cited: str, file: str) -> bool:
    """Whether a path that stands in `file` leads anywhere: from the root, a package, or a folder above the file."""
    above = [folder for folder in Path(file).parents if folder != Path()]
    folders = [ROOT, ROOT / PRODUCT, ROOT / TESTS, ROOT / "docs", *(ROOT / folder for folder in above)]
    folders += [place for name in _FOREIGN for place in (_package(name), _package(name).parent)]
    if any(_found(folder, cited) for folder in folders):
        return True
    # A lone name stands for the one file of that name.
    return "/" not in cited and sum(name.rpartition("/")[2] == cited for name in files()) == 1


def _found(folder: Path, cited: str) -> bool:
    return any(folder.glob(cited)) if "*" in cited else (folder / cited).exists()


@cache
def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None, name
    assert spec.origin is not None, name
    return Path(spec.origin).parent


def test_every_file_that_is_cited_exists():
    missing = [
        f"{words.file} cites {cited}"
        for words in all_words()
        for cited in _PATH.findall(re.sub(r"\w+://\S+", "", words.text))
        if cited not in _OF_OTHERS and not _exists(cited, words.file)
    ]

    assert missing == []


@pytest.mark.parametrize("document", documents())
def test_every_folder_that_a_document_names_exists(document: str):
    named = [name for name in ticked(text_of(document)) if _FOLDER.fullmatch(name)]

    assert [name for name in named if name not in _MADE and not _exists(name, document)] == []


@pytest.mark.parametrize("document", documents())
def test_every_link_and_its_anchor_lead_somewhere(document: str):
    assert [target for target in links_of(document) if not _leads_somewhere(target, document)] == []


def _leads_somewhere(target: str, document: str) -> bool:
    path, _, anchor = target.partition("#")
    page = ((ROOT / document).parent / path if path else ROOT / document).resolve()
    return page.exists() and (not anchor or anchor in anchors_of(page.relative_to(ROOT).as_posix()))


def test_every_heading_that_is_cited_by_its_path_exists():
    for words in all_words():
        for page, anchor in _CITED_HEADING.findall(words.text):
            assert (ROOT / page).exists(), f"{words.file} cites {page}"
            assert anchor in anchors_of(page), f"{words.file} cites {page}#{anchor}"


def test_no_document_is_cited_by_a_name_that_leads_nowhere():
    """The papers that this was built from had such names; they are not here, and what is needed of them is in docs/."""
    absent = re.compile(r"\b(?:SPEC|DESIGN|SOLANA|PEER|DAGSTER)(?: §| section| P\d| S\d| rule)")

    assert [words.file for words in all_words() if absent.search(words.text)] == []


@pytest.mark.parametrize("document", documents())
def test_every_test_that_a_table_names_by_its_words_exists(document: str):
    """A cell such as `money/test_closing.py`: s04 a wallet whose close could not be sent is not called closed."""
    for row in rows_of(document):
        for file, sentence in re.findall(r"`(\w+/test_\w+\.py)`: ([^|`]+?)$", row[-1]):
            names = {
                node.name
                for node in ast.walk(ast.parse(text_of(f"{TESTS}/{file}")))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            wanted = "test_" + sentence.strip().replace(" ", "_")
            assert wanted in names, f"{file} has no {wanted}"


def test_the_mutation_page_says_where_every_defect_was_put_back():
    rows = {
        row[0]: ", ".join(ticked(row[2])) for row in rows_of("docs/mutants.md") if re.match(r"P\d+", row[0])
    }

    assert rows == {defect.name: defect.places for defect in DEFECTS}


@pytest.mark.parametrize("document", documents())
def test_every_module_that_a_document_names_exists(document: str):
    for dotted in set(re.findall(rf"\b((?:{PRODUCT}|{TESTS}|benchmarks)(?:\.\w+)+)", text_of(document))):
        *parents, last = dotted.split(".")
        module = ROOT.joinpath(*parents, last)
        is_module = module.is_dir() or module.with_suffix(".py").exists()
        holder = ROOT.joinpath(*parents).with_suffix(".py")
        assert is_module or (holder.exists() and last in holder.read_text()), dotted


@pytest.mark.parametrize("code", FindingCode)
def test_the_runbook_tells_of_every_finding(code: FindingCode):
    assert f"`{code}`" in text_of("docs/operations.md")
