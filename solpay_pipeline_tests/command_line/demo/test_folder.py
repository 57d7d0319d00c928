"""The demo's folder is made anew, and nobody else's is touched."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from dotenv import dotenv_values
from solders.keypair import Keypair

from solpay_pipeline.demo.folder import (
    MARKER,
    NotADemo,
    dagster_home,
    fresh_folder,
    read_environment,
    write_environment,
)

ROOT = Path(__file__).resolve().parents[3]


def test_a_folder_that_is_missing_or_empty_becomes_a_demo(tmp_path: Path):
    assert (fresh_folder(tmp_path) / MARKER).is_file()
    assert (fresh_folder(tmp_path / "deep" / "down") / MARKER).is_file()


def test_nothing_of_an_earlier_demo_is_kept(tmp_path: Path):
    folder = fresh_folder(tmp_path / "demo")
    (folder / "shop.db").write_text("old")

    assert [path.name for path in fresh_folder(folder).iterdir()] == [MARKER]


def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(NotADemo, match=str(tmp_path)):
        fresh_folder(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "demo").write_text("a file")

    with pytest.raises(NotADemo):
        fresh_folder(tmp_path / "demo")


def test_the_instance_is_configured_as_the_project_is(tmp_path: Path):
    shipped = files("solpay_pipeline.demo").joinpath("dagster.yaml").read_text()

    assert shipped == (ROOT / "dagster.yaml").read_text()
    assert (dagster_home(tmp_path) / "dagster.yaml").read_text() == shipped


def test_the_environment_comes_back_from_its_file_as_it_was_and_is_for_the_owner_alone(tmp_path: Path):
    environment = {
        "SOLPAY_FEE_PAYER_KEYPAIR": Keypair().to_json(),
        "SOLPAY_DATABASE_URL": "sqlite:////a b/c.db",
    }

    path = write_environment(tmp_path, environment)

    assert dotenv_values(path) == environment
    assert read_environment(tmp_path) == environment | {"DAGSTER_HOME": str(tmp_path / "dagster_home")}
    assert json.loads(dotenv_values(path)["SOLPAY_FEE_PAYER_KEYPAIR"] or "")
    assert path.stat().st_mode & 0o077 == 0
