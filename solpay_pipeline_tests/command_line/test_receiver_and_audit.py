"""`solpay receiver`, `audit` and `init`: an operator's word on where money may go, said without any key."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from solders.keypair import Keypair

from solpay_pipeline.base.database import reading
from solpay_pipeline.chain.rpc.failover import GENESIS
from solpay_pipeline.ledger import installation
from solpay_pipeline.ledger.tables import audit_entry
from solpay_pipeline.localnet.chain.engine import Chain, ChainConfig
from solpay_pipeline.localnet.server.server import running
from solpay_pipeline_tests.command_line.warm import Ended, Warm
from solpay_pipeline_tests.shop import Shop, open_shop

ADDRESS = str(Keypair().pubkey())


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as shop:
        shop.accept_sol()
        yield shop


def keyless(shop: Shop) -> dict[str, str]:
    """An operator's environment: it may write, and holds no key."""
    return {
        name: value
        for name, value in shop.environment().items()
        if name not in ("SOLPAY_FEE_PAYER_KEYPAIR", "SOLPAY_WALLET_KEYS")
    }


def say(warm: Warm, shop: Shop, *words: str, code: int = 0, **settings: str) -> Ended:
    ended = warm.run(keyless(shop) | settings, *words)
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    return ended


def test_a_receiver_is_allowed_listed_and_revoked(warm: Warm, shop: Shop) -> None:
    assert "no receiver is allowed yet" in say(warm, shop, "receiver", "list").stdout
    assert "is allowed" in say(warm, shop, "receiver", "allow", ADDRESS, "--reason", "we moved").stdout
    assert f"{ADDRESS}  allowed from" in say(warm, shop, "receiver", "list").stdout
    (row,) = say(warm, shop, "receiver", "list", "--json").json()
    assert (row["address"], row["revoked_at"]) == (ADDRESS, None)
    again = say(warm, shop, "receiver", "allow", ADDRESS, "--reason", "again", code=1)
    assert "allowed already" in again.stderr
    say(warm, shop, "receiver", "revoke", ADDRESS, "--reason", "its key was stolen")
    assert f"{ADDRESS}  revoked at" in say(warm, shop, "receiver", "list").stdout
    assert "not among" in say(warm, shop, "receiver", "revoke", ADDRESS, "--reason", "x", code=1).stderr
    exported = say(warm, shop, "receiver", "export").json()
    assert [one["address"] for one in exported["receivers"]] == [ADDRESS]
    entries = say(warm, shop, "audit", "list", "--json").json()
    assert exported["audit_head"] == entries[-1]["hash"]
    assert [(one["action"], one["reason"]) for one in entries] == [
        ("allow_receiver", "we moved"),
        ("revoke_receiver", "its key was stolen"),
    ]
    assert [event.body["audit_head"] for event in shop.events()] == [one["hash"] for one in entries]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["allow", ADDRESS], "--reason"),
        (["revoke", ADDRESS], "--reason"),
        (["allow", ADDRESS, "--reason", "  "], "--reason"),
        (["allow", "abc", "--reason", "x"], "base58"),
        (["allow", "11111111111111111111111111111111", "--reason", "x"], "the system program"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage_and_changes_nothing(
    warm: Warm, shop: Shop, words: list[str], told: str
) -> None:
    assert told in say(warm, shop, "receiver", *words, code=2).stderr
    assert say(warm, shop, "audit", "list").stdout == "no entries\n"


@pytest.mark.parametrize(("option", "hours"), [((), 24), (("--now",), 0)], ids=["delay", "now"])
def test_the_delay_of_the_settings_holds_unless_it_is_an_emergency(
    warm: Warm, shop: Shop, option: tuple[str, ...], hours: int
) -> None:
    allow = ("receiver", "allow", ADDRESS, "--reason", "we moved", *option)
    say(warm, shop, *allow, SOLPAY_RECEIVER_DELAY="24")
    (row,) = say(warm, shop, "receiver", "list", "--json").json()
    waits = datetime.fromisoformat(row["effective_at"]) - datetime.fromisoformat(row["allowed_at"])
    assert waits == timedelta(hours=hours)


def test_a_sweep_to_another_receiver_ends_in_one_line_until_it_is_allowed(warm: Warm, shop: Shop) -> None:
    shop.run("expire")
    customer = shop.new_payment()
    shop.pay_sol(customer)
    shop.settle_chain()
    environment = shop.environment() | {"SOLPAY_RECEIVER_ADDRESS": ADDRESS}
    for command in ("recheck", "maintain"):
        ended = warm.run(environment, command)
        assert ended.returncode == 1, ended
        lines = [line for line in ended.stdout.splitlines() if "solpay receiver allow" in line]
        assert len(lines) == 1
        assert ADDRESS in lines[0]
    assert (shop.status(customer), shop.state(customer)) == ("confirmed", "processing_payment")
    doctor = warm.run(environment, "doctor", "--json")
    assert [check["name"] for check in doctor.json() if not check["passed"]] == ["receiver"]
    say(warm, shop, "receiver", "allow", ADDRESS, "--reason", "it is ours")
    assert warm.run(environment, "sweep").returncode == 0
    assert shop.state(customer) == "sent_funds"


def test_verify_says_what_was_changed_and_what_was_rewritten(warm: Warm, shop: Shop) -> None:
    for address in (ADDRESS, str(Keypair().pubkey())):
        say(warm, shop, "receiver", "allow", address, "--reason", "ours")
    head = say(warm, shop, "receiver", "export").json()["audit_head"]
    verified = say(warm, shop, "audit", "verify", "--head", head)
    assert verified.stdout == f"2 entries are as they were written; the head is {head}\n"
    assert ADDRESS in say(warm, shop, "audit", "list").stdout
    metrics = warm.run(shop.environment(), "metrics").stdout
    assert f'solpay_audit_entries{{head="{head}"}} 2\n' in metrics
    with shop.engine.begin() as connection:
        connection.execute(sa.update(audit_entry).where(audit_entry.c.id == 1).values(reason="mine"))
    assert "entry 1 " in say(warm, shop, "audit", "verify", code=1).stdout
    doctor = warm.run(shop.environment(), "doctor", "--json")
    assert [check["name"] for check in doctor.json() if not check["passed"]] == ["audit", "receiver"]
    with shop.engine.begin() as connection:
        connection.execute(sa.delete(audit_entry))
    say(warm, shop, "audit", "verify")
    assert head in say(warm, shop, "audit", "verify", "--head", head, code=1).stdout


def test_doctor_tells_a_restore_that_brought_a_revoked_receiver_back(
    warm: Warm, shop: Shop, tmp_path: Path
) -> None:
    def look(code: int) -> str:
        ended = warm.run(shop.environment(), "doctor", "--json", "--receiver-export", str(export))
        assert ended.returncode == code, ended
        return next(str(one["words"]) for one in ended.json() if one["name"] == "receiver export")

    shop.run("expire")
    say(warm, shop, "receiver", "allow", ADDRESS, "--reason", "we moved")
    with sqlite3.connect(tmp_path / "backup.db") as backup, sqlite3.connect(tmp_path / "shop.db") as database:
        database.backup(backup)
    say(warm, shop, "receiver", "revoke", ADDRESS, "--reason", "its key was stolen")
    export = tmp_path / "receivers.json"
    export.write_text(say(warm, shop, "receiver", "export").stdout)
    say(warm, shop, "receiver", "allow", str(Keypair().pubkey()), "--reason", "a new wallet")
    assert "goes on from it" in look(0)
    with sqlite3.connect(tmp_path / "backup.db") as backup, sqlite3.connect(tmp_path / "shop.db") as database:
        backup.backup(database)
    assert f"revoked in it and allowed here: {ADDRESS}" in look(1)
    export.write_text("{}")
    assert "is no export" in look(1)


def test_init_binds_a_fresh_ledger_and_says_to_what(warm: Warm, shop: Shop, tmp_path: Path) -> None:
    fresh = {"SOLPAY_DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.db'}"}
    genesis = str(shop.chain.genesis_hash)
    told = say(warm, shop, "init", **fresh).stdout.splitlines()[-1]
    assert told == f"the ledger is bound to the cluster {genesis} and to the receiver {shop.receiver}"
    with sqlite3.connect(tmp_path / "fresh.db") as connection:
        assert connection.execute("select genesis_hash from solpay_cluster").fetchall() == [(genesis,)]


def test_init_without_an_endpoint_makes_the_tables_and_leaves_binding_to_the_first_run(
    warm: Warm, shop: Shop
) -> None:
    nowhere = {"SOLPAY_RPC_URLS": "http://127.0.0.1:9"}
    assert "the first run does that" in say(warm, shop, "init", **nowhere).stdout
    assert "the first run does that" in say(warm, shop, "init", "--rebind-cluster", code=1, **nowhere).stderr
    shop.run("expire")
    assert say(warm, shop, "init", **nowhere).stdout == "the pipeline's tables are up to date\n"


def test_a_test_network_that_was_reset_is_bound_again_by_init_alone(warm: Warm, shop: Shop) -> None:
    shop.run("expire")
    other = str(Keypair().pubkey())
    with running(Chain(ChainConfig(slot_seconds=0.02, genesis_hash=other))) as reset:
        reset.chain.advance(64)
        there = {"SOLPAY_RPC_URLS": reset.url}
        refused = warm.run(shop.environment() | there, "expire")
        assert refused.returncode == 1
        assert "--rebind-cluster" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert other in say(warm, shop, "init", "--rebind-cluster", **there).stdout
        assert warm.run(shop.environment() | there, "expire").returncode == 0


def test_a_ledger_of_mainnet_is_never_bound_again(warm: Warm, shop: Shop) -> None:
    with shop.engine.begin() as connection:
        installation.bind_cluster(connection, GENESIS["mainnet-beta"], datetime.now(UTC))
    assert "mainnet is never reset" in say(warm, shop, "init", "--rebind-cluster", code=2).stderr
    with reading(shop.engine) as connection:
        assert installation.bound_cluster(connection) == GENESIS["mainnet-beta"]
