"""docs/architecture.md, docs/testing.md, the glossary and the list of decisions are true to the tree."""

import re
import tomllib

import pytest

from solpay_pipeline_tests.house.papers import PRODUCT, ROOT, TESTS, files, rows_of, text_of, ticked

ARCHITECTURE, GLOSSARY, DECISIONS = "docs/architecture.md", "docs/glossary.md", "docs/decisions"
TESTING = "docs/testing.md"

_TOLD_AS_A_FOLDER = ("ledger/migrations/versions/", "contrib/django/management/commands/")


def rooms() -> dict[str, list[str]]:
    """The files with a line of their own on the page, by the heading that they stand under."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^### ", text_of(ARCHITECTURE), flags=re.MULTILINE)[1:]:
        room, _, text = section.partition("\n")
        found[room.strip("`")] = re.findall(r"^\| `([^`]+\.py)` \| \S", text, flags=re.MULTILINE)
    return found


def test_every_file_of_the_product_has_one_line_on_the_page():
    there = [
        name.removeprefix(f"{PRODUCT}/")
        for name in files()
        if name.startswith(f"{PRODUCT}/") and name.endswith(".py") and not name.endswith("/__init__.py")
    ]
    expected = sorted(name for name in there if not name.startswith(_TOLD_AS_A_FOLDER))

    assert sorted(file for room in rooms().values() for file in room) == expected
    for folder in _TOLD_AS_A_FOLDER:
        assert f"`{folder}`" in text_of(ARCHITECTURE)


def test_every_file_stands_under_its_own_room():
    listed = rooms()
    for room, named in listed.items():
        for file in named:
            own = max((one for one in listed if file.startswith(one)), key=len, default="The root")
            assert room == own, f"{file} stands under {room}"


def test_each_room_of_the_product_is_in_the_picture_and_in_the_readme():
    folders = {
        name.split("/")[1] for name in files() if name.startswith(f"{PRODUCT}/") and name.count("/") > 1
    }
    picture = text_of(ARCHITECTURE).partition("```mermaid")[2].partition("```")[0]
    layout = text_of("README.md").partition("## Layout")[2].partition("\n## ")[0]

    assert [folder for folder in sorted(folders) if f"{folder}/" not in picture] == []
    assert [folder for folder in sorted(folders) if f"  {folder}/" not in layout] == []


def test_the_rules_of_imports_are_those_that_are_checked():
    told = text_of(ARCHITECTURE).partition("## Rules of imports")[2]
    rooms_told = ticked(told.partition("1. From high to low:")[2].partition("\n2. ")[0])
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one.get("containers") == [PRODUCT])

    assert rooms_told == [room for layer in layers for room in layer.split(" | ")]


def test_each_folder_of_tests_is_told_of_once_in_testing():
    tests = [name.removeprefix(f"{TESTS}/") for name in files() if name.startswith(f"{TESTS}/")]
    folders = {name.rpartition("/")[0] for name in tests if name.rpartition("/")[2].startswith("test_")}
    first_cells = [cell for cell, *_ in rows_of(TESTING)]
    told = [name for cell in first_cells for name in ticked(cell) if re.fullmatch(r"(\w+/)+", name)]

    assert sorted(told) == sorted(f"{folder}/" for folder in folders)


@pytest.mark.parametrize("row", rows_of(GLOSSARY), ids=lambda row: row[0])
def test_each_word_of_the_glossary_is_defined_where_it_says(row: list[str]):
    _word, meaning, where = row
    file, *symbols = ticked(where)
    source = text_of(f"{PRODUCT}/{file}")

    assert meaning
    for symbol in symbols:
        assert re.search(rf"^\s*(?:class |def |async def )?{symbol}\b", source, flags=re.MULTILINE), symbol


def test_every_decision_is_numbered_and_in_the_index():
    records = sorted(path.name for path in (ROOT / DECISIONS).glob("[0-9]*.md"))
    index = text_of(f"{DECISIONS}/README.md")

    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        title = text_of(f"{DECISIONS}/{name}").partition("\n")[0].removeprefix("# ")
        assert title.startswith(f"{int(name[:4])}. ")
        assert f"({name})" in index
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text_of(f"{DECISIONS}/{name}"), f"{name} has no {part}"
