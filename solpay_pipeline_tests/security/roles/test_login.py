"""The UI behind a login, with the words of docs/security.md, and a web server that only shows."""

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solpay_pipeline_tests.command_line.warm import REPOSITORY, bare_environment
from solpay_pipeline_tests.dagster.interface.remote import REPOSITORY as SELECTOR
from solpay_pipeline_tests.rooms.settings.environments import SMALLEST
from solpay_pipeline_tests.security.roles.ground import KEYS

LAUNCH = (
    """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename } }"""
)
PASSWORD = "let me in"


@pytest.fixture
def behind_a_login(tmp_path: Path) -> Iterator[str]:
    """The address of a proxy before a read-only web server."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx")
    home = tmp_path / "dagster_home"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    behind, before = free_port(), free_port()
    keyless = {name: value for name, value in SMALLEST.items() if name not in KEYS}
    environment = bare_environment() | keyless | {"DAGSTER_HOME": str(home)}
    web = ["dagster_webserver", "--read-only", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(behind)]
    with (
        running([sys.executable, "-m", *web], environment),
        running(
            ["nginx", "-c", str(configuration(tmp_path, before, behind)), "-e", "stderr"], dict(os.environ)
        ),
    ):
        yield f"http://127.0.0.1:{before}"


@pytest.mark.slow
def test_who_has_no_password_sees_nothing_and_who_only_looks_launches_nothing(behind_a_login: str) -> None:
    looked = until_answered(behind_a_login, "{ version }")
    assert "version" in looked["data"]
    for password in (None, "guess"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(behind_a_login, "{ version }", password=password)
        assert refused.value.code == 401
    params = {"selector": {**SELECTOR, "jobName": "sweep_job"}, "runConfigData": {}, "mode": "default"}
    told = ask(behind_a_login, LAUNCH, variables={"params": params})
    assert told["data"]["launchRun"]["__typename"] == "UnauthorizedError"


def ask(
    url: str, query: str, *, variables: object = None, password: str | None = PASSWORD
) -> dict[str, dict[str, dict[str, str]]]:
    headers = {"Content-Type": "application/json"}
    if password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"operator:{password}".encode()).decode()
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, dict[str, dict[str, str]]] = json.loads(answer.read())
    return found


def until_answered(url: str, query: str) -> dict[str, dict[str, dict[str, str]]]:
    deadline = time.monotonic() + 120
    while True:
        try:
            return ask(url, query)
        except OSError:
            assert time.monotonic() < deadline, "the web server did not come up"
            time.sleep(0.5)


def configuration(folder: Path, before: int, behind: int) -> Path:
    """The page's own server block, with the ports and files of this test."""
    page = (REPOSITORY / "docs" / "security.md").read_text()
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    passwords = folder / "operators"
    passwords.write_text(
        f"operator:{{SHA}}{base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()}\n"
    )
    for words, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{before};"),
        ("/etc/nginx/operators", str(passwords)),
        ("127.0.0.1:3000", f"127.0.0.1:{behind}"),
    ):
        assert words in block
        block = block.replace(words, ours)
    places = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(
        f"{user}\ndaemon off;\npid {folder / 'nginx.pid'};\nevents {{}}\nhttp {{\naccess_log off;\n{places}{block}}}\n"
    )
    return file


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
