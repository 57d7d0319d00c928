"""The folder that a demo lives in: made anew each time, and never taken from anybody else.

A folder is a demo where it holds the marker file; any other folder that is not empty is `NotADemo`.
"""

import os
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from solpay_pipeline.settings.model import PREFIX

MARKER = ".solpay-demo"
HOME = "dagster_home"
ENVIRONMENT_FILE = "solpay.env"
CHAIN_FILE = "chain.json"
_MARKER_TEXT = "Made by `solpay demo`, which deletes this folder when it is run again.\n"


class NotADemo(Exception):
    """The folder holds something that no demo made; the text names it. Nothing was deleted."""


def fresh_folder(folder: Path) -> Path:
    """An empty demo folder at `folder`, as an absolute path, its owner's alone; an earlier demo in it is deleted.

    Raises `NotADemo`, and OSError where the folder cannot be made.
    """
    folder = folder.resolve()
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARKER).is_file()):
            raise NotADemo(
                f"{folder} is no demo of ours (it has no {MARKER}): name another folder, or empty it"
            )
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Database and chain hold keys, of a demo only, and nobody asks which.
    folder.mkdir(mode=0o700)
    (folder / MARKER).write_text(_MARKER_TEXT)
    return folder


def is_played(folder: Path) -> bool:
    """Whether a demo lives there that can go on."""
    return (folder / MARKER).is_file() and (folder / CHAIN_FILE).is_file()


def dagster_home(folder: Path) -> Path:
    """A Dagster instance's home in the demo's folder, configured as the project's own is."""
    home = folder / HOME
    home.mkdir()
    configured = files("solpay_pipeline.demo").joinpath("dagster.yaml").read_text()
    (home / "dagster.yaml").write_text(configured)
    return home


def read_environment(folder: Path) -> dict[str, str]:
    """What `write_environment` wrote, and the home of the demo's Dagster instance. OSError where there is no demo."""
    lines = (folder / ENVIRONMENT_FILE).read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines]
    return {name: value.strip("'") for name, value in pairs} | {"DAGSTER_HOME": str(folder / HOME)}


def only_with(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings, and without any other of the pipeline's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | dict(settings)


def write_environment(folder: Path, environment: Mapping[str, str]) -> Path:
    """`solpay.env`: the settings for later commands and for the UI, readable by the owner alone."""
    path = folder / ENVIRONMENT_FILE
    path.touch(mode=0o600)
    # Single quotes keep JSON as it is, for python-dotenv and for a shell alike.
    path.write_text("".join(f"{name}='{value}'\n" for name, value in environment.items()))
    return path
