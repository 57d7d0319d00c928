"""JavaScript clients that nobody here wrote: @solana/kit, @solana/errors, @solana/spl-token with @solana/web3.js."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running

NODE_TESTS = Path(__file__).with_name("node")


def missing() -> str | None:
    """What the suites lack to run; None where they lack nothing."""
    if shutil.which("node") is None:
        return "Node.js is not installed"
    if not (NODE_TESTS / "node_modules").is_dir():
        return f"the packages are not installed: npm ci --prefix {NODE_TESTS}"
    return None


@pytest.mark.slow
@pytest.mark.parametrize("suite", sorted(path.name for path in NODE_TESTS.glob("*.test.mjs")))
def test_real_javascript_clients_find_a_validator(suite: str) -> None:
    lack = missing()
    if lack is not None and os.environ.get("SOLPAY_NODE_TESTS") == "required":
        pytest.fail(lack)
    if lack is not None:
        pytest.skip(lack)
    with running(Chain(ChainConfig(slot_seconds=0.05))) as node:
        ended = subprocess.run(
            ["node", "--test", "--test-reporter=spec", "--test-timeout=60000", suite],
            cwd=NODE_TESTS,
            env=os.environ | {"LOCALNET_URL": node.url, "LOCALNET_WS_URL": node.ws_url},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
