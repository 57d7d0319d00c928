"""`solpay init`, `doctor` and `localnet`."""

import json
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from solpay_pipeline_tests.command_line.warm import REPOSITORY, SOLPAY, Warm, bare_environment
from solpay_pipeline_tests.shop import open_shop


def test_init_makes_all_tables_in_an_empty_database_and_is_harmless_a_second_time(
    warm: Warm, tmp_path: Path
) -> None:
    with open_shop(tmp_path) as shop:
        file = tmp_path / "fresh.db"
        environment = shop.environment() | {"SOLPAY_DATABASE_URL": f"sqlite:///{file}"}
        first = warm.run(environment, "init")
        assert first.returncode == 0, first
        assert "created django_solana_payments_solanapayment" in first.stdout
        with sqlite3.connect(file) as connection:
            made = list(connection.iterdump())
        second = warm.run(environment, "init")
        assert (second.returncode, second.stdout) == (0, "the pipeline's tables are up to date\n")
        with sqlite3.connect(file) as connection:
            assert list(connection.iterdump()) == made
        assert "created solpay_payment_status_id" in warm.run(environment, "init", "--indexes").stdout
        assert "all indexes are there" in warm.run(environment, "init", "--indexes").stdout
        assert warm.run(environment, "maintain").returncode == 0


def test_init_takes_the_names_of_the_shops_own_tables(warm: Warm, tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        environment = shop.environment() | {
            "SOLPAY_DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.db'}",
            "SOLPAY_PAYMENT_TABLE": "shop_orderpayment",
            "SOLPAY_TOKEN_TABLE": "shop_coin",
        }
        assert "created shop_orderpayment" in warm.run(environment, "init").stdout
        assert warm.run(environment, "maintain").returncode == 0


def test_doctor_finds_a_good_shop_good_and_changes_nothing(warm: Warm, tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_mint()
        shop.new_payment()
        ended = warm.run(shop.environment(), "doctor", "--json")
        assert (ended.returncode, ended.stderr) == (0, "")
        checks = {check["name"]: check["passed"] for check in ended.json()}
        assert checks == dict.fromkeys(
            [
                "settings",
                "role",
                "database",
                "peer tables",
                "writing",
                "own tables",
                "ledger",
                "audit",
                "wallet keys",
                "chain",
                "receiver",
                "fee payer",
            ],
            True,
        )
        assert shop.node.calls["sendTransaction"] == 0
        assert "FAIL" not in warm.run(shop.environment(), "doctor").stdout


@pytest.mark.parametrize(
    ("wrong", "code", "name"),
    [
        ({"SOLPAY_CLUSTER": "mainnet"}, 2, "SOLPAY_CLUSTER"),
        ({"SOLPAY_CLUSTER": "devnet"}, 1, "chain"),
        ({"SOLPAY_WALLET_KEYS": Fernet.generate_key().decode()}, 1, "wallet keys"),
        ({"SOLPAY_PAYMENT_TABLE": "shop_orderpayment"}, 1, "peer tables"),
        ({"SOLPAY_DATABASE_URL": "sqlite:////no/such/folder/shop.db"}, 1, "database"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_doctor_names_what_does_not_fit(
    warm: Warm, tmp_path: Path, wrong: dict[str, str], code: int, name: str
) -> None:
    with open_shop(tmp_path) as shop:
        shop.accept_mint()
        shop.new_payment()
        ended = warm.run(shop.environment() | wrong, "doctor", "--json")
        assert ended.returncode == code, ended
        assert [check["name"] for check in ended.json() if not check["passed"]] == [name]
        assert "Traceback" not in ended.stderr


def test_doctor_names_every_bad_setting_at_once(warm: Warm) -> None:
    ended = warm.run({"SOLPAY_CLUSTER": "nowhere"}, "doctor")
    assert ended.returncode == 2
    assert ended.stdout.count("FAIL") == 4


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_localnet_answers_like_a_node_and_ends_when_told_to(how: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [*SOLPAY, "localnet", "--port", str(port), "--slot-seconds", "0.05"],
        cwd=REPOSITORY,
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert ask(port, "getHealth") == "ok"
        assert ask(port, "getSlot") > 0
        process.send_signal(how)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    # As a shell tells of Ctrl-C, or as the signal itself ends a process.
    assert process.returncode in (0, -how, 128 + how), err
    assert "Traceback" not in err
    assert f"http://127.0.0.1:{port}" in err
    assert out == ""


def test_localnet_says_in_one_line_that_its_port_is_taken(warm: Warm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ended = warm.run({}, "localnet", "--port", str(port))
    assert ended.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def ask(port: int, method: str) -> object:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}", data=body, headers={"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read())["result"]
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
