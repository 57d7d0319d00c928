"""The fixture `solana_localnet` works in a project that has nothing but pytest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def shown(heading: str) -> str:
    """The first Python example under a heading of the documentation."""
    text = (REPOSITORY / "docs" / "localnet.md").read_text()
    example = re.search(rf"^## {re.escape(heading)}$.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert example is not None, heading
    return example[1]


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_three_lines_are_enough_in_an_empty_project(tmp_path: Path) -> None:
    example = shown("In a test of your own")
    assert len([line for line in example.splitlines() if line.strip()]) == 3
    (tmp_path / "test_three_lines.py").write_text(example)
    ended = run_pytest(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


@pytest.mark.slow
def test_a_marker_sets_the_chain_up(tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text(
        """
import pytest
import urllib.request


@pytest.mark.solana_localnet(clock="manual", seed=3, lag=5, history_slots=0)
def test_marked(solana_localnet):
    wallet = solana_localnet.wallet(lamports=7)
    assert solana_localnet.node.view.lag == 5
    assert solana_localnet.node.view.history_slots == 0
    assert solana_localnet.chain.config.seed == 3
    slot = solana_localnet.finalize()
    assert solana_localnet.advance(2) == slot + 2
    assert solana_localnet.ws_url.startswith("ws://")
    solana_localnet.fail("server_error", status=503, times=1)
    body = b'{"jsonrpc":"2.0","id":1,"method":"getHealth"}'
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(solana_localnet.url, body)
    assert b"ok" in urllib.request.urlopen(solana_localnet.url, body).read()
    assert solana_localnet.faults.struck == {"server_error": 1}
"""
    )
    ended = run_pytest(tmp_path, "--strict-markers")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_the_plugin_imports_nothing_of_the_chain_for_those_who_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        """
import sys


def test_other():
    assert not [name for name in sys.modules if name.startswith(("solders", "uvicorn", "dagster"))]
"""
    )
    ended = run_pytest(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
