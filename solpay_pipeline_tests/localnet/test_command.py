"""`solpay localnet` with its files and its second endpoint."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from solpay_pipeline.localnet.chain.account_files import account_to_json
from solpay_pipeline_tests.localnet.ground import SOL, Caller

LOCALNET = [sys.executable, "-c", "from solpay_pipeline.cli.app import main; main()", "localnet"]


def free_port() -> int:
    """A port that is free, and so is the next one."""
    for _ in range(50):
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports")


@contextmanager
def started(port: int, *options: str) -> Iterator[Caller]:
    process = subprocess.Popen([*LOCALNET, "--port", str(port), *options], stderr=subprocess.PIPE, text=True)
    rpc = Caller(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert rpc.http.get("/health").text == "ok"
                break
            except OSError:
                pass
            except Exception as error:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise AssertionError("it did not start") from error
            time.sleep(0.05)
        yield rpc
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    finally:
        rpc.http.close()
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_chain_is_kept_in_its_file_and_seen_from_two_endpoints(tmp_path: Path) -> None:
    address, wallet = Pubkey.new_unique(), str(Keypair().pubkey())
    account = tmp_path / "account.json"
    account.write_text(json.dumps(account_to_json(address, Account(3 * SOL, b"", Pubkey.default()))))
    faults = tmp_path / "faults.json"
    faults.write_text('{"faults": [{"kind": "server_error", "times": 1, "methods": ["getVersion"]}]}')
    port, second = free_port(), free_port()
    kept = ["--state", str(tmp_path / "chain.json"), "--clock", "manual", "--history-slots", "500"]
    given = ["--account", str(account), "--faults", str(faults), "--lagging", f"{second}:7"]
    with started(port, *kept, *given) as rpc:
        behind = Caller(f"http://127.0.0.1:{second}")
        rpc.result("localnet_advanceSlots", 40)
        signature = rpc.result("requestAirdrop", wallet, SOL)
        assert rpc.result("getSlot") - behind.result("getSlot") == 7
        assert behind.value("getBalance", wallet, {"commitment": "processed"}) == 0
        behind.http.close()
        assert rpc.value("getBalance", str(address)) == 3 * SOL
        version = {"jsonrpc": "2.0", "id": 1, "method": "getVersion"}
        assert [rpc.post(version).status_code for _ in range(2)] == [502, 200]
        rpc.result("localnet_saveState")
        slot = rpc.result("getSlot", {"commitment": "processed"})
    with started(free_port(), *kept) as rpc:
        assert rpc.result("getSlot") == slot + 1
        assert rpc.value("getBalance", wallet) == SOL
        (row,) = rpc.result("getSignaturesForAddress", wallet)
        assert row["signature"] == signature
        assert row["confirmationStatus"] == "finalized"


@pytest.mark.slow
def test_a_wrong_option_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "chain.json").write_text("{}")
    for options, words in (
        (["--clock", "sun"], "the clock is wall or manual, not sun"),
        (["--state", str(tmp_path / "chain.json")], "holds no chain"),
        (["--account", str(tmp_path / "none.json")], "none.json"),
        (["--lagging", "8898"], "PORT:SLOTS"),
    ):
        ended = subprocess.run([*LOCALNET, *options], capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert words in ended.stderr.replace("\n", " ")
        assert "Traceback" not in ended.stderr
