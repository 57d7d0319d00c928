"""`solpay report` and `solpay metrics`, and the links and tags of a run."""

import csv
import io
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._daemon.types import DaemonHeartbeat

from solpay_pipeline.cli.doctor import examine
from solpay_pipeline.defs.metadata import metadata_of, tags_of
from solpay_pipeline_tests.command_line.warm import REPOSITORY, SOLPAY, Warm, bare_environment
from solpay_pipeline_tests.dagster.jobs.conftest import Launch
from solpay_pipeline_tests.shop import Shop

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def sold(shop: Shop) -> Shop:
    """One payment in SOL, accepted and swept."""
    shop.accept_sol()
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    shop.run("recheck")
    shop.settle_chain()
    return shop


def test_a_report_is_told_to_people_as_csv_and_as_json(sold: Shop, warm: Warm) -> None:
    told = warm.run(sold.environment(), "report")
    assert (told.returncode, told.stderr) == (0, "")
    assert "Settlements, in whole tokens" in told.stdout
    as_csv = warm.run(sold.environment(), "report", "--day", TODAY, "--csv")
    (sol,) = csv.DictReader(io.StringIO(as_csv.stdout))
    assert (sol["mint"], sol["swept"], sol["accepted_payments"]) == ("SOL", "100000000", "1")
    states = warm.run(sold.environment(), "report", "--csv", "--report", "wallet_states")
    assert "sent_funds,1,1\n" in states.stdout
    as_json = warm.run(sold.environment(), "report", "--from", "2026-01-01", "--json").json()
    assert as_json["settlements"][0]["swept"] == "100000000"
    assert as_json["from"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--day", "today"], "'today' is no day"),
        (["--day", "2026-01-01", "--from", "2026-01-01"], "--day is one day"),
        (["--to", "2026-01-01"], "--to needs --from"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "is before"),
        (["--csv", "--json"], "choose one"),
        (["--report", "profits"], "is none of settlements"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_one_line(
    shop: Shop, warm: Warm, arguments: list[str], words: str
) -> None:
    ended = warm.run(shop.environment(), "report", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_bad_timetable_stops_every_command_with_one_line(shop: Shop, warm: Warm) -> None:
    ended = warm.run(shop.environment() | {"SOLPAY_MAINTENANCE_CRON": "often"}, "sweep")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "SOLPAY_MAINTENANCE_CRON: 'often' is not a cron expression of five fields\n"


def test_metrics_tell_of_payments_wallets_and_the_chain(sold: Shop, warm: Warm) -> None:
    told = warm.run(sold.environment(), "metrics").stdout
    assert 'solpay_payments{status="confirmed"} 1\n' in told
    assert 'solpay_wallets{state="sent_funds"} 1\n' in told
    assert "solpay_chain_up 1\n" in told
    assert 'solpay_events{state="waiting"} 2\n' in told
    for line in told.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) .+|solpay_[a-z_]+(\{[a-z]+="[a-z0-9_]+"\})? \d+', line), line


def test_metrics_go_on_without_a_chain(sold: Shop, warm: Warm) -> None:
    away = sold.environment() | {"SOLPAY_RPC_URLS": "http://127.0.0.1:9"}
    told = warm.run(away, "metrics").stdout
    assert "solpay_chain_up 0\n" in told
    assert "solpay_fee_payer_lamports" not in told
    assert 'solpay_payments{status="confirmed"} 1\n' in told


def test_every_alert_is_about_a_metric_that_is_told_and_a_heading_that_exists(sold: Shop, warm: Warm) -> None:
    told = set(re.findall(r"# TYPE (\w+)", warm.run(sold.environment(), "metrics").stdout))
    (group,) = yaml.safe_load((REPOSITORY / "docs/alerts.yml").read_text())["groups"]
    runbook = (REPOSITORY / "docs/operations.md").read_text()
    for rule in group["rules"]:
        assert set(re.findall(r"solpay_\w+", rule["expr"])) <= told, rule["alert"]
        assert f"\n### {rule['annotations']['see']}\n" in runbook, rule["alert"]


@pytest.mark.slow
def test_metrics_are_served_on_a_port(sold: Shop) -> None:
    process = subprocess.Popen(
        [*SOLPAY, "metrics", "--port", "0"],
        env=bare_environment() | sold.environment(),
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = re.search(r"http://\S+/metrics", process.stderr.readline())
        assert url is not None
        with urllib.request.urlopen(url[0], timeout=20) as answer:
            assert b"solpay_chain_up 1" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url[0] + "/else", timeout=20)
    finally:
        process.terminate()
        process.wait(10)


def test_a_run_can_be_found_by_its_cluster_and_what_it_did(
    shop: Shop, instance: dg.DagsterInstance, launch: Launch
) -> None:
    run = instance.get_run_by_id(launch("maintenance_job").run_id)
    assert run is not None
    assert run.tags["solpay/cluster"] == "localnet"
    assert run.tags["solpay/sweep"] == "nothing to do"


def test_signatures_are_links_to_the_explorer_of_a_public_cluster(shop: Shop) -> None:
    shop.accept_sol()
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    outcome = shop.run("recheck")
    (signature,) = outcome.signatures
    link = f"https://explorer.solana.com/tx/{signature}"
    assert metadata_of(outcome, "mainnet-beta")["signatures"].value == f"- [{signature}]({link})"
    assert metadata_of(outcome, "devnet")["signatures"].value == f"- [{signature}]({link}?cluster=devnet)"
    assert metadata_of(outcome, "localnet")["signatures"].value == [signature]
    assert "swept 1" in tags_of(outcome, "devnet")["solpay/recheck"]


def test_doctor_wants_a_daemon_that_lives_where_one_has_run(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    environ = shop.environment() | {"DAGSTER_HOME": str(home)}
    assert next(one for one in examine(environ) if one.name == "daemon").passed
    with dg.DagsterInstance.get() as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 3_600, "SENSOR", "one", []))
    daemon = next(one for one in examine(environ) if one.name == "daemon")
    assert not daemon.passed
    assert "dagster-daemon run" in daemon.words
