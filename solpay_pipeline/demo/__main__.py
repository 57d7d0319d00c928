"""`python -m solpay_pipeline.demo FOLDER COMMAND ...`: the demo's chain goes on for as long as the command runs.

The command gets the demo's settings and Dagster home. What it does on the chain is kept. Its exit code is passed on; 2
where there is no demo, or its port is taken.
"""

import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from solpay_pipeline.demo.folder import CHAIN_FILE, only_with, read_environment
from solpay_pipeline.localnet import state_file
from solpay_pipeline.localnet.config import ChainConfig
from solpay_pipeline.localnet.server import running

_BAD_USAGE = 2

# As fast as a real chain is: nobody waits for a demo's jobs in a browser.
_SLOT_SECONDS = 0.3


def run(folder: Path, command: list[str]) -> int:
    """Run the command beside the chain; returns its exit code.

    Raises OSError where there is no demo in the folder, its port is taken or the command does not exist, ValueError
    where the chain's file is damaged.
    """
    folder = folder.resolve()
    environment = read_environment(folder)
    path = folder / CHAIN_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    chain = state_file.load(path, ChainConfig(slot_seconds=_SLOT_SECONDS))
    port = urlsplit(environment["SOLPAY_RPC_URLS"]).port or 0
    with running(chain, port=port):
        code = _wait_for(subprocess.Popen(command, env=only_with(environment)))  # noqa: S603 - the caller's own
    state_file.save(chain, path)
    return code


def _wait_for(process: "subprocess.Popen[bytes]") -> int:
    # Ctrl-C reaches the command too; the chain stays until the command has ended.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
    }
    try:
        return process.wait()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def main() -> int:
    """The command line."""
    if len(sys.argv) < 3:
        sys.stderr.write("usage: python -m solpay_pipeline.demo FOLDER COMMAND ...\n")
        return _BAD_USAGE
    try:
        return run(Path(sys.argv[1]), sys.argv[2:])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}; run `solpay demo` first, and once at a time\n")
        return _BAD_USAGE


if __name__ == "__main__":
    sys.exit(main())
