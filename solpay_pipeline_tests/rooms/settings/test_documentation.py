"""The table of settings and what is made of it."""

from pathlib import Path

import pytest

from solpay_pipeline.base.made_parts import write_or_check
from solpay_pipeline.settings import documentation
from solpay_pipeline.settings.model import SETTINGS, Settings, Timetable

ROOT = Path(__file__).resolve().parents[3]


def checked(*arguments: str) -> int:
    return write_or_check(documentation.documents(), "the maker", list(arguments))


def test_the_documents_are_as_the_table_says():
    assert checked("--check") == 0


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_every_setting_is_documented_once_in_words(row):
    lines = (ROOT / "docs" / "configuration.md").read_text().splitlines()

    assert len([line for line in lines if line.startswith(f"| `{row.name}` |")]) == 1
    assert row.description.endswith(".")


def test_the_readme_has_just_what_must_be_set():
    lines = (ROOT / "README.md").read_text().splitlines()

    named = [line.split("`")[1] for line in lines if line.startswith("| `SOLPAY_")]
    assert named == [row.name for row in SETTINGS if row.required]


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/configuration.md"):
        (tmp_path / name).write_text((ROOT / name).read_text().replace("| required |", "| optional |"))
    monkeypatch.setattr(documentation, "ROOT", tmp_path)
    return tmp_path


def test_a_document_that_differs_is_named_by_a_check_and_mended_without(copies: Path, capsys):
    before = (copies / "README.md").read_text()

    assert checked("--check") == 1
    assert (copies / "README.md").read_text() == before
    assert [line.split(" ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "README.md",
        "configuration.md",
    ]
    assert checked() == 0
    for name in ("README.md", "docs/configuration.md"):
        assert (copies / name).read_text() == (ROOT / name).read_text()


@pytest.mark.parametrize("table", [Settings, Timetable])
def test_a_row_is_called_secret_where_its_value_is_one(table):
    for row in table.rows():
        assert row.kind.is_secret is ("Secret" in str(table.model_fields[row.field].annotation)), row.name


def test_no_two_settings_share_a_variable_or_a_field():
    assert len({row.name for row in SETTINGS}) == len({row.field for row in SETTINGS}) == len(SETTINGS)
